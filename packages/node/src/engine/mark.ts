import { writeSync } from 'node:fs'

const sums: Record<string, number[]> = {}
let last = performance.now()
let lastName = ''
let n = 0
export function mark(name: string) {
  const now = performance.now()
  ;(sums[lastName + '>' + name] ??= []).push(now - last)
  last = now
  lastName = name
  if (name === 'msg' && ++n % 60 === 0) {
    let text = ''
    for (const [k, v] of Object.entries(sums)) {
      v.sort((a, b) => a - b)
      text += `${k} n${v.length} med ${v[v.length >> 1]!.toFixed(3)}; `
    }
    writeSync(2, text + '\n')
    for (const k of Object.keys(sums)) delete sums[k]
  }
}
