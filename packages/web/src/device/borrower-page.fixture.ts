/** What the Node side of a test may ask of the page in `borrower.page.ts`. */
export interface BorrowerPage {
  /** Asks the lender at an address, and borrows an answer for nothing. */
  /** Uses the link of a pairing, and says yes to whatever words come. */
  pair(link: string): Promise<{ device: string; words: string[]; isMutual: boolean }>
  /** Lends for nothing from now on. @returns its key in hex, and where a relay passes others on to it */
  lend(relay: string): Promise<{ device: string; address: string }>
  borrow(address: string): Promise<{ tokens: number; end: string | null; error: string | null }>
}
