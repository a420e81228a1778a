import { from0x, to0x } from '../bytes.ts'
import type { Debt } from '../clearing/chain.ts'
import { configMessage, readConfig } from '../clearing/config-message.ts'
import type { DebtMessage } from '../wire/set-off-messages.ts'

/** A debt as it travels. */
export function debtMessage(debt: Debt): DebtMessage {
  const { config, total, deadline, voucher, acknowledgement } = debt
  return {
    config: configMessage(config),
    ...{ total, deadline },
    ...{ voucher: from0x(voucher), acknowledgement: from0x(acknowledgement) },
  }
}

export function readDebt(message: DebtMessage): Debt {
  const { config, total, deadline, voucher, acknowledgement } = message
  return {
    config: readConfig(config),
    ...{ total, deadline },
    ...{ voucher: to0x(voucher), acknowledgement: to0x(acknowledgement) },
  }
}
