import { createInterface } from 'node:readline/promises'
import { fromHex, toHex } from '@freehold/core/bytes'
import type { Device } from '@freehold/core/device/device'
import { inApp, isPairLink, readPairLink } from '@freehold/core/device/pair-link'
import type { Paired, PairQuestion } from '@freehold/core/device/pairing'
import { UsageError } from '@freehold/core/errors'
import { certifyDevice } from '@freehold/core/identity/identity'
import { peerKey, peerName } from '@freehold/core/identity/peer-name'
import { RUNG_WORDS } from '@freehold/core/routing/explain-offer'
import type { PairedAs } from '@freehold/core/wire/pair-messages'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { friendsOf, readSettings, type Settings } from '../../config.ts'
import { openLendSwitch } from '../../power/lend-switch.ts'
import { changeSettings } from '../change-settings.ts'
import {
  add,
  cliPaths,
  type GlobalOptions,
  interruptSignal,
  openCliDevice,
  readOwnerPhrase,
  withGlobals,
} from '../context.ts'
import { print, printJson, say, table } from '../output.ts'

interface PairOptions extends GlobalOptions {
  as?: PairedAs
  name?: string
  at: string[]
  listen: string[]
  app?: string
  list?: boolean
  remove?: string
}

/** Another computer dials TCP; a page that came over https, such as a phone's, WebRTC alone. */
const EVERYWHERE = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/udp/0/webrtc-direct']

export function pairCommand(command: Command): void {
  command
    .argument('[code or link]', 'what the other device shows; without one this device shows it')
    .addOption(
      new Option('--as <kind>', 'what the other device is to you').choices(['own', 'friend']),
    )
    .option('--name <name>', 'what to call it here; it is not told')
    .option('--at <address>', 'where the device is that shows the code; again for more', add, [])
    .option('--listen <multiaddr...>', 'where to wait for the other device', EVERYWHERE)
    .option('--app <url>', 'where your web app is: the QR code opens it there', webAddress)
    .option('--list', 'show the devices that are paired')
    .option('--remove <name>', 'undo a pairing, by name or peer id')
    .action((code: string | undefined, options: PairOptions) => pair(code, options))
  withGlobals(command)
}

function webAddress(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('It begins with https://.')
}

async function pair(word: string | undefined, options: PairOptions): Promise<void> {
  if (options.list) return list(options)
  if (options.remove !== undefined) return remove(options.remove, options)
  const link = word !== undefined && isPairLink(word) ? readPairLink(word) : null
  const as = options.as ?? link?.as
  if (as === undefined) {
    throw new UsageError({
      what: 'it is not said what the other device is',
      next: '--as own|friend',
    })
  }
  if (options.as !== undefined && link !== null && options.as !== link.as) {
    throw new UsageError({
      what: `this link is for pairing as ${link.as}`,
      next: `--as ${link.as}`,
    })
  }
  const { config } = cliPaths(options)
  await requireNewName(options)
  const signal = interruptSignal()
  const phrase = await readOwnerPhrase()
  const listen = word === undefined ? options.listen : []
  await using device = await openCliDevice({ listen, needsKeys: true, phrase })
  const init = {
    as,
    name: options.name ?? `${as}-${toHex(crypto.getRandomValues(new Uint8Array(2)))}`,
    signal,
    confirm: (question: PairQuestion, { signal: over }: { signal: AbortSignal }) =>
      askPerson(question, options, over),
    keep: async (paired: Paired) => {
      if (paired.as === 'friend') await changeSettings(config, (old) => withFriend(old, paired))
    },
  }
  const paired =
    word === undefined
      ? await show(device, phrase, init, options)
      : await device.pairing.join({
          ...init,
          code: link?.code ?? word,
          addresses: [
            ...(link?.addresses ?? []),
            ...options.at,
            ...(await known(device, link !== null)),
          ],
        })
  const other = peerName(fromHex(paired.device))
  if (options.json) return printJson({ event: 'paired', ...paired, device: other })
  const what = as === 'own' ? RUNG_WORDS.own : RUNG_WORDS.friends
  if (!paired.isMutual) {
    say(
      `The other device left before it said that it keeps the pairing too. Look there (freehold pair --list); if it is missing, pair again`,
    )
  }
  say(
    `Paired: ${paired.name} (${other}) is ${what}. What lends or serves learns of it when it starts next`,
  )
}

async function show(
  device: Device,
  phrase: string,
  init: Omit<Parameters<Device['pairing']['show']>[0], 'certify'>,
  options: PairOptions,
): Promise<Paired> {
  const isMember = (await device.tables.membership.list()).length > 0
  const shown = await device.pairing.show({
    ...init,
    // Whose owner's phrase is elsewhere cannot speak for that owner.
    staysAt,
    certify: isMember ? undefined : (key, index) => certifyDevice(phrase, { device: key, index }),
  })
  const { code } = shown
  const link = options.app === undefined ? shown.link : inApp(shown.link, options.app)
  if (options.json) printJson({ event: 'code', code, link })
  else {
    const { qrText } = await import('../qr-text.ts')
    say(`${qrText(link)}\n\nOn the other device, within two minutes:\n`)
    say(
      `  freehold pair '${shown.link}'\n\nor, if it knows where this one is: freehold pair ${code} --as ${init.as}`,
    )
  }
  return shown.paired
}

/** Where processes of this device listen that lend, and that answer. */
async function staysAt(): Promise<string[]> {
  const { findResident } = await import('../../serving/resident.ts')
  const { state } = cliPaths({})
  const lending = await openLendSwitch({ state }).running()
  const serving = await findResident(state)
  return [...lending.flatMap(({ addresses }) => addresses), ...(serving?.addresses ?? [])]
}

/** A code alone says not where: devices that were met before are looked at. */
async function known(device: Device, hasLink: boolean): Promise<string[]> {
  if (hasLink) return []
  return (await device.tables.peers.list()).flatMap(([, { addresses }]) => addresses)
}

async function askPerson(
  { words, as, device }: PairQuestion,
  { json }: PairOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if (json) printJson({ event: 'words', words, device: peerName(fromHex(device)) })
  say(`\n  ${words.join('   ')}\n`)
  const becomes = as === 'own' ? 'yours' : 'a friend’s'
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const said = await lines.question(
      `Does the other device show the same words, and is it ${becomes}? Type yes: `,
      { signal },
    )
    return said.trim().toLowerCase() === 'yes'
  } finally {
    lines.close()
  }
}

function withFriend(old: Settings, { device, name }: Paired): Settings {
  const friend = { name, device: peerName(fromHex(device)) }
  const others = friendsOf(old).filter((one) => one.device !== friend.device)
  return { ...old, friends: [...others, friend] }
}

/** Everybody who is paired. */
async function paired(device: Device, options: PairOptions) {
  const settings = await readSettings(cliPaths(options).config)
  const own = (await device.pairs.list()).filter(({ isRemoved }) => !isRemoved)
  const all = [
    ...own.map(({ name, device: key }) => ({
      name,
      as: 'own' as const,
      device: peerName(fromHex(key)),
      key,
    })),
    ...friendsOf(settings).map((friend) => ({
      ...friend,
      as: 'friend' as const,
      key: toHex(peerKey(friend.device)),
    })),
  ]
  return Promise.all(
    all.map(async (one) => ({ ...one, isMutual: await device.pairs.isMutual(one.key) })),
  )
}

async function list(options: PairOptions): Promise<void> {
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const rows = await paired(device, options)
  if (options.json)
    return printJson(
      rows.map(({ name, as, device: id, isMutual }) => ({ name, as, device: id, isMutual })),
    )
  if (rows.length === 0) return say('No device is paired. Pair one with: freehold pair --as own')
  print(
    table(
      ['NAME', 'AS', 'THERE TOO', 'DEVICE'],
      rows.map((row) => [row.name, row.as, row.isMutual ? 'yes' : 'not heard', row.device]),
    ),
  )
  if (rows.every(({ isMutual }) => isMutual)) return
  say(
    'Not heard: the other device left before it said that it keeps the pairing too. Look there; if it is missing, pair again',
  )
}

async function remove(named: string, options: PairOptions): Promise<void> {
  const { config } = cliPaths(options)
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const found = (await paired(device, options)).filter(
    (one) => one.name === named || one.device === named,
  )
  const [one] = found
  if (one === undefined || found.length > 1) {
    const what = one === undefined ? `no device is called ${named}` : `several are called ${named}`
    throw new UsageError({
      what,
      next: 'freehold pair --list names them; a peer id is never twice there',
    })
  }
  if (one.as === 'friend') {
    await device.pairs.doubt(one.key, null)
    await changeSettings(config, (old) => ({
      ...old,
      friends: friendsOf(old).filter((friend) => friend.device !== one.device),
    }))
  } else if (await device.pairs.remove(one.key)) {
    say('This device belongs to the owner of its own phrase again')
  }
  if (options.json) return printJson({ event: 'removed', name: one.name, device: one.device })
  say(
    `${one.name} is a stranger’s device from now on. Your other devices do not know that: tell each of them`,
  )
}

async function requireNewName({ name, ...options }: PairOptions): Promise<void> {
  if (name === undefined) return
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,39}$/u.test(name)) {
    throw new UsageError({
      what: `"${name}" is no name`,
      next: 'Up to 40 letters, digits, blanks, . _ -',
    })
  }
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  if ((await paired(device, options as PairOptions)).every((one) => one.name !== name)) return
  throw new UsageError({ what: `another device is called ${name}`, next: 'Choose another --name' })
}
