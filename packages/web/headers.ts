/**
 * What a server should say with every file of the app. Hosts of plain files may not be able to: the
 * policy is in the page too, and the service worker adds the rest from the second opening on.
 */
const POLICY = {
  'default-src': "'none'",
  // llama.cpp is WebAssembly; nothing is evaluated from text.
  'script-src': "'self' 'wasm-unsafe-eval'",
  // wllama starts its worker from text that is in this app.
  'worker-src': "'self' blob:",
  'style-src': "'self'",
  'img-src': "'self'",
  // Lenders can be anywhere, and no policy can name a network: sockets to all. The chain's node over
  // https, or on this machine. Each page narrows it further when it starts: member/seal-page.ts.
  'connect-src': "'self' blob: ws: wss: https: http://127.0.0.1:* http://localhost:*",
  'manifest-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
}

/** The part of the policy that a page can carry itself. */
export const PAGE_POLICY = Object.entries(POLICY)
  .map(([name, value]) => `${name} ${value}`)
  .join('; ')

export const HEADERS = {
  'content-security-policy': `${PAGE_POLICY}; frame-ancestors 'none'`,
  // Threads in WebAssembly ask for a page that shares its process with nobody.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
