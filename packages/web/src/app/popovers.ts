import { useEffect } from 'preact/hooks'

/** Closes what is open besides the one that holds `place`. @returns whether anything was */
export function closePopovers(place: Node | null): boolean {
  const open = [...document.querySelectorAll('details.popover[open]')]
  const others = open.filter((popover) => !popover.contains(place))
  for (const popover of others) popover.removeAttribute('open')
  return others.length > 0
}

/** Popovers lie over what is read and pressed next: who goes on elsewhere is done with them. */
export function usePopovers(): void {
  useEffect(() => {
    const closing = new AbortController()
    const leave = ({ target }: Event) => {
      if (target instanceof Node) closePopovers(target)
    }
    for (const name of ['pointerdown', 'focusin']) {
      addEventListener(name, leave, { signal: closing.signal })
    }
    return () => closing.abort()
  }, [])
}
