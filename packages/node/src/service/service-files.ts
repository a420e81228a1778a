/** What starts the device with the person's session, for the service managers that we know. */
export interface ServiceInit {
  /** Program and arguments. */
  command: readonly string[]
  /** Variables that the person has set for the device now. */
  environment: Readonly<Record<string, string>>
  /** Folders that the device writes. */
  writes: readonly string[]
  /** Where launchd, which keeps no journal, writes what is said. */
  log: string
}

/** Label of the service. */
export const SERVICE = 'freehold'
export const LAUNCHD_LABEL = `org.freehold.${SERVICE}`

/** A unit for `systemctl --user`; see systemd.service(5) and systemd.exec(5). */
export function systemdUnit({ command, environment, writes }: ServiceInit): string {
  const variables = Object.entries(environment).map(
    ([name, value]) => `Environment=${quote(`${name}=${value}`)}`,
  )
  return `${[
    '[Unit]',
    'Description=Freehold: the device of its owner',
    '',
    '[Service]',
    `ExecStart=${command.map(quote).join(' ')}`,
    ...variables,
    'Restart=on-failure',
    'RestartSec=3',
    'NoNewPrivileges=yes',
    'PrivateTmp=yes',
    'ProtectSystem=strict',
    `ReadWritePaths=${writes.map((path) => quote(`-${path}`)).join(' ')}`,
    '',
    '[Install]',
    'WantedBy=default.target',
  ].join('\n')}\n`
}

/** One word of a unit file: systemd splits at spaces and replaces `%x` and `$NAME`. */
function quote(word: string): string {
  const escaped = word
    .replace(/[\\"]/g, '\\$&')
    .replace(/\n/g, '\\n')
    .replace(/\t/g, '\\t')
    .replace(/%/g, '%%')
    .replace(/\$/g, '$$$$')
  return `"${escaped}"`
}

/** A property list for `launchctl`; see launchd.plist(5). */
export function launchdAgent({ command, environment, log }: ServiceInit): string {
  const strings = (values: readonly string[]) =>
    values.map((value) => `    <string>${escapeXml(value)}</string>`).join('\n')
  const variables = Object.entries(environment)
    .map(
      ([name, value]) =>
        `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>`,
    )
    .join('\n')
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LAUNCHD_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${strings(command)}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>StandardOutPath</key>
  <string>${escapeXml(log)}</string>
  <key>StandardErrorPath</key>
  <string>${escapeXml(log)}</string>
</dict>
</plist>
`
}

function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** How the service is. */
export interface ServiceState {
  /** As the service manager calls it; null: it does not know the service. */
  state: string | null
  isRunning: boolean
  pid: number | null
}

/** Reads `systemctl show --property LoadState,ActiveState,MainPID`. */
export function readSystemdState(said: string): ServiceState {
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(said)?.[1]
  const isKnown = value('LoadState') === 'loaded'
  return stateOf(isKnown ? value('ActiveState') : undefined, 'active', value('MainPID'))
}

/** Reads `launchctl print`. */
export function readLaunchdState(said: string): ServiceState {
  const value = (name: string) => new RegExp(`^\\t${name} = (.+)$`, 'm').exec(said)?.[1]
  return stateOf(value('state'), 'running', value('pid'))
}

function stateOf(
  state: string | undefined,
  running: string,
  pid: string | undefined,
): ServiceState {
  return { state: state ?? null, isRunning: state === running, pid: Number(pid) || null }
}
