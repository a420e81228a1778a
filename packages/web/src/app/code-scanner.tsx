import { useEffect, useRef, useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'
import { openCamera, readCode } from '../member/read-code.ts'
import { say } from '../words/words.ts'
import { Problem } from './problem.tsx'

/** What getUserMedia says in place of a picture. */
const REFUSALS = { NotAllowedError: 'cameraBarred', NotFoundError: 'noCamera' } as const

interface CodeScannerProps {
  /** @returns whether it is what was looked for; else the looking goes on */
  onText: (text: string) => boolean
  onCancel: () => void
}

/** The camera's picture, until a QR code is in it. Nothing of it is kept. */
export function CodeScanner({ onText, onCancel }: CodeScannerProps) {
  const film = useRef<HTMLVideoElement>(null)
  const [problem, setProblem] = useState('')
  const [isStrange, setStrange] = useState(false)
  useEffect(() => {
    const closing = new AbortController()
    const look = async (video: HTMLVideoElement) => {
      const stream = await openCamera()
      const stop = () => {
        for (const track of stream.getTracks()) track.stop()
      }
      if (closing.signal.aborted) return stop()
      closing.signal.addEventListener('abort', stop)
      video.srcObject = stream
      await video.play()
      for (;;) {
        const text = await readCode(video, closing.signal)
        if (text === null || onText(text)) return
        setStrange(true)
      }
    }
    if (film.current !== null) {
      look(film.current).catch((error: unknown) => {
        if (closing.signal.aborted) return
        const name = error instanceof Error ? error.name : ''
        const known = Object.entries(REFUSALS).find(([refusal]) => refusal === name)
        setProblem(known === undefined ? sentenceOf(error) : say(known[1]))
      })
    }
    return () => closing.abort()
  }, [])
  return (
    <div class="card scanner">
      {problem === '' && (
        <>
          <video ref={film} playsInline muted aria-label={say('scanCode')} />
          <p role="status">{say(isStrange ? 'noPairLink' : 'scanHint')}</p>
        </>
      )}
      <Problem text={problem} />
      <div class="row">
        <button type="button" onClick={onCancel}>
          {say('cancel')}
        </button>
      </div>
    </div>
  )
}
