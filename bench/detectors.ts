import { readFile } from 'node:fs/promises'
import { readCorpus } from '../packages/core/src/routing/detect/corpus.fixture.ts'
import { FINDERS, findSensitive } from '../packages/core/src/routing/detect/find-sensitive.ts'
import type { Finding, Kind } from '../packages/core/src/routing/detect/finding.ts'
import { Scan } from '../packages/core/src/routing/detect/scan.ts'
import { type Bench, goal } from './bench.ts'
import { rounded } from './median.ts'

const VECTORS = new URL('../vectors/sensitive.json', import.meta.url)

interface Count {
  places: number
  found: number
  falseAlarms: number
}

/** What the detectors find in `vectors/sensitive.json`, and what they take for something that it is not. */
export const detectorsBench: Bench = {
  summary: 'secrets and personal data: found, missed and false alarms in a corpus of our own',
  run: async () => {
    const corpus = readCorpus(await readFile(VECTORS, 'utf8'))
    const kinds: Partial<Record<Kind, Count>> = {}
    const of = (kind: Kind): Count => {
      kinds[kind] ??= { places: 0, found: 0, falseAlarms: 0 }
      return kinds[kind]
    }
    let steps = 0
    let characters = 0
    for (const { text, expected, missed } of corpus) {
      const found = findSensitive(text)
      for (const kind of missed) of(kind).places++
      for (const place of expected) {
        of(place.kind).places++
        if (found.some((one) => isSame(one, place))) of(place.kind).found++
      }
      for (const one of found) {
        if (!expected.some((place) => isSame(one, place))) of(one.kind).falseAlarms++
      }
      const scan = new Scan(text)
      for (const find of FINDERS) find(scan)
      steps += scan.steps
      characters += text.length
    }
    const harmless = corpus.filter(({ expected, missed }) => expected.length + missed.length === 0)
    const alarmed = harmless.filter(({ text }) => findSensitive(text).length > 0).length
    const sum = (what: keyof Count) => Object.values(kinds).reduce((all, one) => all + one[what], 0)
    const [places, found] = [sum('places'), sum('found')]
    return {
      conditions: {
        corpus: 'vectors/sensitive.json, made by who made the detectors',
        texts: corpus.length,
        harmlessTexts: harmless.length,
      },
      figures: {
        places,
        found,
        recall: rounded(found / places, 3),
        falseAlarms: sum('falseAlarms'),
        harmlessTextsWithAlarm: alarmed,
        stepsPerCharacter: rounded(steps / characters, 1),
        kinds,
      },
      goals: [
        goal('found, as a share', '>= 0.9', rounded(found / places, 3)),
        goal('harmless texts with an alarm', '<= 0', alarmed),
      ],
    }
  },
}

function isSame(one: Finding, other: Finding): boolean {
  return one.kind === other.kind && one.start === other.start && one.end === other.end
}
