import { X509Certificate } from 'node:crypto'
import type { Table } from '@freehold/core/storage'
import { type WebRTCTransportDirectInit, webRTCDirect } from '@libp2p/webrtc'

/** The certificate whose hash stands in this device's addresses, as the library takes it. */
export type WebRtcCertificate = NonNullable<WebRTCTransportDirectInit['certificate']>

const DAY_MS = 86_400_000
/** Links and QR codes hold its hash. Who the device is, Noise proves inside: it needs no short life. */
const LIFE_MS = 365 * DAY_MS
/** With less than this left a start makes a new one. */
const LEAST_MS = 30 * DAY_MS
const ROW = 'certificate'

/** What is used of the library's transport, whose type names none of it. */
interface Made {
  certificate?: WebRtcCertificate
  renewCertificateTask?: ReturnType<typeof setTimeout>
  start(): Promise<void>
}

/** WebRTC-direct, with the certificate of this device's last start: addresses outlive it. */
export async function keptWebRtcDirect(
  init: Pick<WebRTCTransportDirectInit, 'rtcConfiguration'>,
  table: Table<WebRtcCertificate> | null,
): Promise<ReturnType<typeof webRTCDirect>> {
  const kept = await table?.get(ROW)
  if (kept !== undefined && isGood(kept)) return webRTCDirect({ ...init, certificate: kept })
  const create = webRTCDirect({
    ...init,
    certificateLifespan: LIFE_MS,
    // Else its timer would be longer than timers can be, and ring at once.
    certificateRenewalThreshold: LIFE_MS - DAY_MS,
  })
  return (components) => {
    const transport = create(components)
    const made = transport as unknown as Made
    const start = made.start.bind(made)
    made.start = async () => {
      await start()
      clearTimeout(made.renewCertificateTask)
      const { certificate } = made
      if (certificate === undefined) return
      const { privateKey, pem, certhash } = certificate
      await table?.put(ROW, { privateKey, pem, certhash })
    }
    return transport
  }
}

function isGood({ pem }: WebRtcCertificate): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() - Date.now() > LEAST_MS
  } catch {
    return false
  }
}
