/** GBNF of the formats of JSON Schema that strings can be kept to. Days exist in every year. */

const DAY_28 = '("0" [1-9] | "1" [0-9] | "2" [0-8])'
const DAY_30 = '("0" [1-9] | [12] [0-9] | "30")'
const DAY_31 = '("0" [1-9] | [12] [0-9] | "3" [01])'
const DATE = `[0-9]{4} "-" (("0" [13578] | "1" [02]) "-" ${DAY_31} | ("0" [469] | "11") "-" ${DAY_30} | "02-" ${DAY_28})`
const HOUR = '("0" [0-9] | "1" [0-9] | "2" [0-3])'
const TIME = `${HOUR} ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,3})? ("Z" | [-+] ${HOUR} ":" [0-5] [0-9])`
const BYTE = '([0-9] | [1-9] [0-9] | "1" [0-9]{2} | "2" [0-4] [0-9] | "25" [0-5])'
const LABEL = '[a-z0-9] ("-"? [a-z0-9]){0,30}'

const FORMATS: Record<string, string> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE} "T" ${TIME}`,
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [1-8] [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}',
  ipv4: `${BYTE} ("." ${BYTE}){3}`,
  email: `[a-z0-9] ([._+-]? [a-z0-9]){0,40} "@" ${LABEL} ("." ${LABEL}){0,3} "." [a-z]{2,12}`,
}

/** @returns undefined for a format that is not known */
export function formatRule(format: unknown): string | undefined {
  if (typeof format !== 'string' || !Object.hasOwn(FORMATS, format)) return undefined
  return `"\\"" ${FORMATS[format]} "\\""`
}
