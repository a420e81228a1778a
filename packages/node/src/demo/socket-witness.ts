import { createHook } from 'node:async_hooks'
import { appendFileSync } from 'node:fs'

/**
 * Loaded into the process that answers by itself (`node --import`) and, by inheritance, into its
 * engine's process: writes a line for each TCP or UDP handle and each name look-up that Node makes.
 */
const file = process.env.FREEHOLD_SOCKET_WITNESS
const NETWORK = /^(TCP|UDP|GETADDRINFO|GETNAMEINFO|QUERY)/

if (file !== undefined) {
  createHook({
    init: (_id, type) => {
      if (NETWORK.test(type)) appendFileSync(file, `${process.pid} ${type}\n`)
    },
  }).enable()
}
