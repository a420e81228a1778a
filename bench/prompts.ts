/** Prompts whose answers have entropy: what audits are measured on. */
const THINGS = [
  ['fox', 'lantern'],
  ['boat', 'storm'],
  ['robot', 'garden'],
  ['cat', 'clock'],
  ['girl', 'drum'],
  ['bear', 'map'],
  ['baker', 'moon'],
  ['bird', 'key'],
  ['wolf', 'bridge'],
  ['tailor', 'river'],
  ['mouse', 'bell'],
  ['knight', 'onion'],
  ['farmer', 'comet'],
  ['owl', 'letter'],
  ['turtle', 'violin'],
  ['child', 'kite'],
] as const

export const STORY_PROMPTS: readonly string[] = THINGS.map(
  ([who, what]) => `Tell me a long story about a ${who} and a ${what}.`,
)

/** Prompts whose answers a small model knows by heart. */
export const PLAIN_PROMPTS: readonly string[] = [
  'What is Freehold?',
  'What is a voucher?',
  'What is 47 plus 38?',
  'How many minutes are 3 hours?',
]

/** Other questions of the same kind: tables made from the ones above are tried on these. */
export const UNSEEN_PROMPTS: readonly string[] = [5, 9].flatMap((shift) =>
  THINGS.slice(0, shift === 5 ? 16 : 8).map(
    ([who], i) =>
      `Tell me a story about a ${who} and a ${THINGS[(i + shift) % THINGS.length]?.[1]}.`,
  ),
)
