/**
 * Gathers messages and sends all of a tick as one: a message between processes costs more than its
 * content.
 */
export function createOutbox<Message>(
  send: (batch: Message[]) => void,
): (message: Message) => void {
  let batch: Message[] = []
  return (message) => {
    // A next tick comes when all promises that are settled by now have gone on.
    if (batch.push(message) > 1) return
    process.nextTick(() => {
      const full = batch
      batch = []
      send(full)
    })
  }
}
