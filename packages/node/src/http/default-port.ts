/** Where the HTTP interface is, unless the person says otherwise: no runner that we know is there. */
export const DEFAULT_PORT = 1215
