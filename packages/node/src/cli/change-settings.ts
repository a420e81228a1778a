import { readSettings, type Settings } from '../config.ts'
import { writeFileSafely } from '../storage/write-file-safely.ts'

/** Rewrites the settings file, which a person may edit too. @returns the settings afterwards */
export async function changeSettings(
  path: string,
  change: (old: Settings) => Settings,
): Promise<Settings> {
  const old = await readSettings(path)
  const settings = change(old)
  if (settings !== old) await writeFileSafely(path, `${JSON.stringify(settings, null, 2)}\n`)
  return settings
}
