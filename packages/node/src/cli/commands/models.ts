import type { Command } from 'commander'
import { pathsOf, readEnvironment } from '../../config.ts'
import { catalogueSize, writeCatalogue } from '../../models/catalogue.ts'
import { sizeText } from '../../models/size-text.ts'
import { CONTEXT_TOKENS, chooseOffer, SEQUENCES } from '../choose-offer.ts'
import { print, printJson, say, table } from '../output.ts'

interface ModelsOptions {
  write?: boolean
  json?: boolean
}

export function modelsCommand(command: Command): void {
  command
    .option('--write', 'write the list into the config folder, where you can change it')
    .option('--json', 'print machine-readable data on stdout')
    .action((options: ModelsOptions) => models(options))
}

async function models(options: ModelsOptions): Promise<void> {
  const { catalogue } = pathsOf(readEnvironment())
  if (options.write) {
    await writeCatalogue(catalogue)
    return say(`Wrote ${catalogue}.`)
  }
  const { free, marked, best } = await chooseOffer(catalogue)
  if (options.json) return printJson({ free, models: marked, offer: best?.name ?? 'acorn' })
  const headings = ['NAME', 'PARAMETERS', 'LICENCE', 'Q8_0', 'Q4_K_M', 'NEEDS', 'HERE', 'BEST HERE']
  const rows = marked.map((model) => [
    model.name,
    `${(model.parameters / 1e9).toFixed(2)} B`,
    model.licence,
    sizeText(catalogueSize(model, 'Q8_0')),
    sizeText(catalogueSize(model, 'Q4_K_M')),
    sizeText(model.needs.totalBytes),
    model.mark,
    model.quantisation ?? '-',
  ])
  print(table(headings, rows))
  const what = `Sizes are estimates; NEEDS is Q4_K_M with ${SEQUENCES} × ${CONTEXT_TOKENS} tokens of context.`
  say(`${sizeText(free.availableBytes)} of memory are free. ${what}`)
  if (best === null) say('The bundled model is here without a network: freehold run')
  else say(`The largest that fits well: freehold pull ${best.source}:${best.quantisation}`)
}
