/** A device in a namespace that multicast DNS alone tells of others: `mdns-device.ts HOME lend|look`. Says when it is there, and whom it found. */
import { createPhrase } from '../../packages/core/src/identity/phrase.ts'
import { systemRandom } from '../../packages/core/src/platform.ts'
import { pathsOf } from '../../packages/node/src/config.ts'
import { openDevice } from '../../packages/node/src/device/open-device.ts'
import { toyEngine } from '../../packages/node/src/device/town.fixture.ts'

const [home = '', role] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))
const device = await openDevice({
  paths: pathsOf({ home }),
  phrase: createPhrase(systemRandom),
  listen: role === 'lend' ? ['/ip4/0.0.0.0/tcp/4215'] : [],
  discovery: { mdns: true },
  engine: toyEngine(),
})
await device.discovering.state()
if (role === 'lend') await device.lending.start({ models: ['acorn'], payment: null })
process.send?.('there')
while (role === 'look') {
  const found = await device.peers.offers()
  if (found.length > 0) {
    process.send?.(found.map(({ address }) => address))
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
}
