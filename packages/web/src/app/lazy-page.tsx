import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'

type View = ComponentType<{ app: App }>

/** What only members look at is no part of the first load. */
const LAZY = {
  dashboard: async (): Promise<View> =>
    (await import('../dashboard/dashboard-view.tsx')).DashboardView,
  lenders: async (): Promise<View> => (await import('./lenders-view.tsx')).LendersView,
  wallet: async (): Promise<View> => (await import('./wallet-view.tsx')).WalletView,
  egress: async (): Promise<View> => (await import('./egress-view.tsx')).EgressView,
  figures: async (): Promise<View> => (await import('../figures/figures-view.tsx')).FiguresView,
  departure: async (): Promise<View> => (await import('./departure-dialog.tsx')).DepartureDialog,
}

export type LazyName = keyof typeof LAZY

export function isLazy(name: string): name is LazyName {
  return name in LAZY
}

/** A view that is loaded when it is first shown. */
export function LazyPage({ app, page }: { app: App; page: LazyName }) {
  const [view, setView] = useState<{ View: View } | null>(null)
  const [problem, setProblem] = useState('')
  useEffect(() => {
    LAZY[page]().then(
      (View) => setView({ View }),
      (error: unknown) => setProblem(sentenceOf(error)),
    )
  }, [page])
  if (problem !== '') {
    return (
      <p class="problem" role="alert">
        {say('problem')}: {problem}
      </p>
    )
  }
  return view && <view.View app={app} />
}
