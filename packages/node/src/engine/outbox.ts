/**
 * Gathers messages and sends all of a tick as one: a message between processes costs more than its
 * content.
 */
export function createOutbox<Message>(
  send: (batch: Message[]) => void,
  // A next tick comes when all promises that are settled by now have gone on.
  later: (send: () => void) => void = (act) => process.nextTick(act),
): (message: Message) => void {
  let batch: Message[] = []
  return (message) => {
    if (batch.push(message) > 1) return
    later(() => {
      const full = batch
      batch = []
      send(full)
    })
  }
}
