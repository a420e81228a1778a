import type { Command } from 'commander'

/** A command as help lists it; its options and what it does are loaded when it is meant. */
export interface CommandEntry {
  name: string
  alias?: string
  description: string
  /** @returns what gives the command its arguments, options and action */
  load: () => Promise<(command: Command) => void>
}

/** Every command, in the order of help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    description: 'Ask a model a question, or chat with it',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'embed',
    description: 'Turn texts into vectors',
    load: async () => (await import('./commands/embed.ts')).embedCommand,
  },
  {
    name: 'serve',
    alias: 'start',
    description: 'Answer over HTTP, as OpenAI, Anthropic and Ollama do',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  {
    name: 'ps',
    description: 'Show the models in memory',
    load: async () => (await import('./commands/ps.ts')).psCommand,
  },
  {
    name: 'stop',
    description:
      'Take models out of memory once their answers are done, or end what runs in the background',
    load: async () => (await import('./commands/stop.ts')).stopCommand,
  },
  {
    name: 'pull',
    alias: 'get',
    description: 'Fetch a model into the store, or go on with it',
    load: async () => (await import('./commands/pull.ts')).pullCommand,
  },
  {
    name: 'list',
    alias: 'ls',
    description: 'List the models on this device, those of other programs included',
    load: async () => (await import('./commands/list.ts')).listCommand,
  },
  {
    name: 'show',
    description: 'Show what a model is',
    load: async () => (await import('./commands/show.ts')).showCommand,
  },
  {
    name: 'rm',
    description: 'Remove models from the store',
    load: async () => (await import('./commands/rm.ts')).rmCommand,
  },
  {
    name: 'cp',
    description: 'Give a model in the store a second name; its bytes stay one',
    load: async () => (await import('./commands/cp.ts')).cpCommand,
  },
  {
    name: 'import',
    description: 'Take a GGUF file, or a model of another program, into the store',
    load: async () => (await import('./commands/import.ts')).importCommand,
  },
  {
    name: 'share',
    description: 'Let others have a model of the store while this device seeds',
    load: async () => (await import('./commands/share.ts')).shareCommand,
  },
  {
    name: 'models',
    description: 'List small models under open licences, and which of them fit here',
    load: async () => (await import('./commands/models.ts')).modelsCommand,
  },
  {
    name: 'fit',
    description: 'Say what a model needs in memory here, whether it fits, and about how fast it is',
    load: async () => (await import('./commands/fit.ts')).fitCommand,
  },
  {
    name: 'shrink',
    description: 'Make a model smaller, and say what that costs',
    load: async () => (await import('./commands/shrink.ts')).shrinkCommand,
  },
  {
    name: 'lend',
    description: 'Lend models to other devices, for money or for free',
    load: async () => (await import('./commands/lend.ts')).lendCommand,
  },
  {
    name: 'offers',
    description: 'Show what known lenders offer',
    load: async () => (await import('./commands/offers.ts')).offersCommand,
  },
  {
    name: 'pair',
    description: 'Make another device known by its key, as one of yours or a friend’s',
    load: async () => (await import('./commands/pair.ts')).pairCommand,
  },
  {
    name: 'invite',
    description: 'Show a link and a QR code by which others find this device',
    load: async () => (await import('./commands/invite.ts')).inviteCommand,
  },
  {
    name: 'join',
    description: 'Follow an invitation into the network',
    load: async () => (await import('./commands/join.ts')).joinCommand,
  },
  {
    name: 'doctor',
    description: 'Say what this device depends on, and whether it works',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    name: 'ledger',
    description: 'Show what was borrowed and lent, and what is owed, held back, paid and settled',
    load: async () => (await import('./commands/ledger.ts')).ledgerCommand,
  },
  {
    name: 'egress',
    description: 'Show what left this device: when, to whom, why, and what was replaced',
    load: async () => (await import('./commands/egress.ts')).egressCommand,
  },
  {
    name: 'audit',
    description: 'Check a borrowed answer by replay, here or on another device of yours',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  {
    name: 'wallet',
    description: 'Keys, balances and channels of this device',
    load: async () => (await import('./commands/wallet.ts')).walletCommand,
  },
  {
    name: 'chain',
    description: 'The contract that payments are cleared by',
    load: async () => (await import('./commands/chain.ts')).chainCommand,
  },
  {
    name: 'config',
    description: 'Settings of this device',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  {
    name: 'service',
    description: 'Start the device with your session',
    load: async () => (await import('./commands/service.ts')).serviceCommand,
  },
  {
    name: 'demo',
    description: 'Show the whole chain on this machine: own, borrow, check, catch, clear',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
]
