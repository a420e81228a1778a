import { decodeQR } from 'qr/decode.js'

/** Pixels of the longer side of what is looked at: more takes longer and reads no better. */
const LONGER_SIDE = 800
/** Before each look, for everything else that the page does. */
const PAUSE_MS = 100

/** Opens the camera on a device's back, else any. @throws DOMException where there is none or it may not be used */
export function openCamera(): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
}

/** Looks at a film until it shows a QR code. @returns what the code says; null: aborted */
export async function readCode(
  film: HTMLVideoElement,
  signal: AbortSignal,
): Promise<string | null> {
  const canvas = new OffscreenCanvas(1, 1)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    if (signal.aborted) return null
    const { videoWidth, videoHeight } = film
    if (context !== null && videoWidth > 0) {
      const scale = Math.min(1, LONGER_SIDE / Math.max(videoWidth, videoHeight))
      canvas.width = Math.round(videoWidth * scale)
      canvas.height = Math.round(videoHeight * scale)
      context.drawImage(film, 0, 0, canvas.width, canvas.height)
      const text = textIn(context.getImageData(0, 0, canvas.width, canvas.height))
      if (text !== null) return text
    }
  }
}

function textIn(image: ImageData): string | null {
  try {
    return decodeQR(image)
  } catch {
    return null
  }
}
