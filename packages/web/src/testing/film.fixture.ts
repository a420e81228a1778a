import encodeQR from 'qr'

const WIDTH = 640
const HEIGHT = 480
/** Pixels of a module; a code of version 25 with its border fits. */
const SCALE = 4
const GREY = 128
const PAPER = 235
const INK = 30

/** A film of one picture (Y4M, 4:2:0), which shows a QR code on paper, or only the wall behind it. */
export function filmOf(text: string | null): Uint8Array {
  const luma = new Uint8Array(WIDTH * HEIGHT).fill(GREY)
  const code = text === null ? [] : encodeQR(text, 'raw', { ecc: 'low', border: 4 })
  const top = Math.floor((HEIGHT - code.length * SCALE) / 2)
  const left = Math.floor((WIDTH - code.length * SCALE) / 2)
  for (let y = 0; y < code.length * SCALE; y++) {
    for (let x = 0; x < code.length * SCALE; x++) {
      const isDark = code[Math.floor(y / SCALE)]?.[Math.floor(x / SCALE)]
      luma[(top + y) * WIDTH + left + x] = isDark ? INK : PAPER
    }
  }
  const chroma = new Uint8Array((WIDTH * HEIGHT) / 2).fill(GREY)
  const head = `YUV4MPEG2 W${WIDTH} H${HEIGHT} F20:1 Ip A1:1 C420jpeg\nFRAME\n`
  return Buffer.concat([Buffer.from(head), luma, chroma])
}
