import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { launchdAgent, readLaunchdState, readSystemdState, systemdUnit } from './service-files.ts'

const init = {
  command: ['/opt/node 26/bin/node', '/home/a/freehold/main.ts', 'serve'],
  environment: { FREEHOLD_HOME: '/home/a/100% mine' },
  writes: ['/home/a/100% mine'],
  log: '/home/a/service.log',
}

/** What systemd makes of a quoted word: its unescaping, then `%%` and `$$`. */
function unquote(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner = '']) =>
    inner
      .replace(/\\(.)/g, (_, sign: string) => ({ n: '\n', t: '\t' })[sign] ?? sign)
      .replaceAll('%%', '%')
      .replaceAll('$$', '$'),
  )
}

describe('systemdUnit', () => {
  it('default: starts the command, after what goes wrong too, and lets it write its own folders', () => {
    expect(systemdUnit(init)).toBe(`[Unit]
Description=Freehold: the device of its owner

[Service]
ExecStart="/opt/node 26/bin/node" "/home/a/freehold/main.ts" "serve"
Environment="FREEHOLD_HOME=/home/a/100%% mine"
Restart=on-failure
RestartSec=3
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths="-/home/a/100%% mine"

[Install]
WantedBy=default.target
`)
  })

  it('behaviour: every word survives its quoting, on one line', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (command) => {
        const unit = systemdUnit({ ...init, command })
        const line = unit.split('\n').find((one) => one.startsWith('ExecStart=')) ?? ''
        expect(unquote(line)).toEqual(command)
      }),
    )
  })
})

describe('launchdAgent', () => {
  it('default: names command, variables and log, escaped', () => {
    const text = launchdAgent({ ...init, command: ['/a & b', '<serve>'] })
    expect(text).toContain('<string>/a &#38; b</string>\n    <string>&#60;serve&#62;</string>')
    expect(text).toContain('<key>FREEHOLD_HOME</key>\n    <string>/home/a/100% mine</string>')
    expect(text).toContain('<string>/home/a/service.log</string>')
  })
})

describe('the state of a service', () => {
  it('default: is read from what the service managers print', () => {
    expect(readSystemdState('LoadState=loaded\nActiveState=active\nMainPID=42\n')).toEqual({
      state: 'active',
      isRunning: true,
      pid: 42,
    })
    expect(readLaunchdState('x = {\n\tstate = running\n\tpid = 42\n}\n')).toEqual({
      state: 'running',
      isRunning: true,
      pid: 42,
    })
  })

  it('behaviour: what is not there, failed or stopped does not run', () => {
    const none = { state: null, isRunning: false, pid: null }
    expect(readSystemdState('LoadState=not-found\nActiveState=inactive\nMainPID=0\n')).toEqual(none)
    expect(readSystemdState('')).toEqual(none)
    expect(readLaunchdState('')).toEqual(none)
    const failed = { ...none, state: 'failed' }
    expect(readSystemdState('LoadState=loaded\nActiveState=failed\nMainPID=0\n')).toEqual(failed)
  })
})
