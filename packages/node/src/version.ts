/** Of this program; one process asks another only if both are of the same. */
export const VERSION = '0.1.0'
