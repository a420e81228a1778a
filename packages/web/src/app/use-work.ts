import { useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'

/** What a form is doing, and what came of it. */
export interface Work {
  isRunning: boolean
  /** In words for the person; empty: nothing went wrong. */
  problem: string
  run: (work: () => Promise<unknown>) => void
}

/** Runs one thing at a time and shows why it failed. */
export function useWork(): Work {
  const [isRunning, setRunning] = useState(false)
  const [problem, setProblem] = useState('')
  const run = async (work: () => Promise<unknown>) => {
    if (isRunning) return
    setRunning(true)
    setProblem('')
    try {
      await work()
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setRunning(false)
    }
  }
  return { isRunning, problem, run: (work) => void run(work) }
}
