import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerName } from '@freehold/core/identity/peer-name'
import { createDashboard } from '../packages/node/src/cli/dashboard.ts'
import { pathsOf } from '../packages/node/src/config.ts'
import { befriend, createTown, question } from '../packages/node/src/device/town.fixture.ts'
import { listen } from '../packages/node/src/http/listen.ts'
import { openServing } from '../packages/node/src/http/open-serving.ts'
import { openSite } from '../packages/node/src/http/site.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { startFakeHub } from '../packages/node/src/models/hub.fixture.ts'
import { openModelLibrary } from '../packages/node/src/models/library.ts'
import { NO_FOREIGN } from '../packages/node/src/models/store.fixture.ts'
import { type LendSwitch, openLendSwitch } from '../packages/node/src/power/lend-switch.ts'
import { buildApp } from '../packages/web/build.ts'

/** A device that serves the app, and has borrowed and paid for an answer. */
export interface ServedApp extends AsyncDisposable {
  url: string
  token: string
  /** Peer id of the lender that it knows. */
  lender: string
  /** A model that its hub has. */
  modelAtHub: string
  lendSwitch: LendSwitch
  /** Where the device keeps its state. */
  state: string
}

const TOKEN = 'token-of-the-dashboard'

export async function openServedApp(): Promise<ServedApp> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'freehold-served-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await buildApp(folder)
  const town = stack.use(await createTown())
  const hub = stack.use(await startFakeHub())
  hub.files.set('birch-Q8_0.gguf', await readFile(BUNDLED['acorn-small'] ?? ''))
  const lending = await town.lender()
  const { device, home } = await town.inhabitant()
  await befriend(device, lending.lending)
  await (await device.complete(question())).settled
  // What doctor and config show look at.
  const before = process.env.FREEHOLD_HOME
  process.env.FREEHOLD_HOME = home
  stack.defer(() => {
    if (before === undefined) delete process.env.FREEHOLD_HOME
    else process.env.FREEHOLD_HOME = before
  })
  const paths = pathsOf({ home })
  const serving = stack.use(
    openServing(
      {
        ...{ paths: [], hub: { endpoint: hub.endpoint }, origins: [], hosts: [], pool: {} },
        ...{ tokens: [TOKEN], responses: join(home, 'responses.db'), widestScope: 'market' },
        site: await openSite(folder),
        dashboard: createDashboard({ paths, scope: 'market', options: {} }, device),
      },
      { device, library: openModelLibrary({ paths, foreign: NO_FOREIGN }) },
    ),
  )
  const { url } = stack.use(await listen(serving.app.fetch, { port: 0 }))
  const kept = stack.move()
  return {
    ...{ url, token: TOKEN, modelAtHub: 'hf.co/user/repo:Q8_0', state: paths.state },
    lender: peerName(lending.device.identity!.device),
    lendSwitch: openLendSwitch(paths),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
