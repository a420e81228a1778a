/** What the Node side of a test may ask of the page in `borrower.page.ts`. */
export interface BorrowerPage {
  /** Asks the lender at an address, and borrows an answer for nothing. */
  borrow(address: string): Promise<{ tokens: number; end: string | null; error: string | null }>
}
