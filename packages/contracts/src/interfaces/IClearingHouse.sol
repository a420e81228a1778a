// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title ClearingHouse: one-way channels over one ERC-20, with an internal ledger
/// @notice A payer escrows an amount for one payee and then signs vouchers off chain, each over a
/// higher total than the last. Whoever holds a voucher may settle it here. Settled money and
/// refunds land in a ledger, which pays for further channels or is withdrawn.
///
/// Nobody owns this contract: it takes no fee, has no switch and cannot be upgraded.
///
/// EIP-712 domain: `Freehold ClearingHouse`, version `1`, chain id, this address. Typed data, each
/// with the fields in this order:
///  - `ChannelConfig(payer,signer,payee,delay,flags,salt)`: its digest is the channel id
///  - `Voucher(bytes32 channelId,uint128 cumulativeAmount)`, signed by the config's signer
///  - `Acknowledgement(bytes32 channelId,uint128 cumulativeAmount,uint256 deadline)`, signed by the
///    payee
///  - `RequestClose(bytes32 channelId,uint16 cancelledExits,uint256 deadline)`, signed by the payer
///  - `OpenFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256
///    deadline)`, signed by the payer
///  - `TopUpFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256
///    nonce,uint256 deadline)`, signed by the payer
///  - `Withdraw(address account,address to,uint256 amount,address relayer,uint256 fee,uint256
///    nonce,uint256 deadline)`, signed by the account
///
/// Signatures are 65 bytes with a low `s`, by plain keys only (no ERC-1271), so that a device can
/// check a voucher without asking a chain, and so that what it checked stays true. A set-off takes
/// them in the 64 bytes of EIP-2098, which cost less.
///
/// Tokens that rebase or take a fee on transfer are not supported; a fee is noticed and refused
/// when money comes in.
interface IClearingHouse {
    // ── Types ──

    /// @notice All that a channel is. Only its hash is stored, so each call brings the config
    /// along.
    struct ChannelConfig {
        /// Funds the channel and gets back what is not settled.
        address payer;
        /// Key that signs vouchers. It moves money only from payer to payee, so it may live on a
        /// device.
        address signer;
        /// Receives what is settled.
        address payee;
        /// Seconds from the payer's request to leave until it may: 15 minutes to 30 days.
        uint40 delay;
        /// Bit 0: what is owed here may be set off (`setOff`). No other bit may be set.
        uint8 flags;
        /// Tells apart channels of the same parties. A closed channel never reopens: use a new
        /// salt.
        bytes32 salt;
    }

    enum Status {
        None,
        Open,
        Closed
    }

    /// @notice The state of a channel, in one storage slot.
    struct Channel {
        /// All that was ever put in, by set-offs too. Only rises.
        uint96 deposit;
        /// All that was ever settled or set off. Only rises, never above the deposit.
        uint96 settled;
        Status status;
        /// Unix seconds at which the payer asked to leave; 0 if it did not.
        uint40 exitRequestedAt;
        /// How often the payer called its exit off. A signed request to leave names it, so that
        /// nobody can start an exit again that the payer called off.
        uint16 cancelledExits;
    }

    /// @notice One row of `settleMany`.
    struct Settlement {
        ChannelConfig config;
        uint128 cumulativeAmount;
        bytes signature;
    }

    /// @notice A signature in the 64 bytes of EIP-2098: `vs` is `s` with the parity as its top bit.
    struct CompactSignature {
        bytes32 r;
        bytes32 vs;
    }

    /// @notice One edge of a ring in `setOff`: what this channel's payer owes its payee.
    struct Debt {
        ChannelConfig config;
        /// The voucher's total, and the total that the payee acknowledges.
        uint128 cumulativeAmount;
        /// Unix seconds up to which the acknowledgement holds.
        uint256 deadline;
        /// The channel's signer's, over the voucher.
        CompactSignature voucher;
        /// The payee's, over the `Acknowledgement`.
        CompactSignature acknowledgement;
    }

    /// @notice What whoever submits somebody's signed wish gets for it. Signed along with it.
    struct Relay {
        /// Gets the fee into its ledger balance, whoever submits: copying the transaction out of
        /// the queue earns nothing.
        address relayer;
        /// Token units out of the ledger balance of the one who signed.
        uint256 fee;
        /// Unix seconds up to which the signature holds.
        uint256 deadline;
    }

    // ── Errors ──

    /// @notice Thrown when the contract is deployed for an address without code.
    error InvalidToken();

    /// @notice Thrown when the caller is not the channel's payer.
    error NotPayer();

    /// @notice Thrown when the caller is not the channel's payee.
    error NotPayee();

    /// @notice Thrown when signer or payee is zero, or when the payee is this contract.
    error InvalidParty();

    /// @notice Thrown when the exit delay is under 15 minutes or over 30 days.
    error InvalidDelay();

    /// @notice Thrown when a flag is set that has no meaning.
    error InvalidFlags();

    /// @notice Thrown when an id was opened before, even if it is closed by now.
    error ChannelExists();

    /// @notice Thrown when a channel was never opened or is closed.
    error ChannelNotOpen();

    /// @notice Thrown when an amount is zero.
    error ZeroAmount();

    /// @notice Thrown when a channel's deposit would exceed `type(uint96).max`.
    error DepositTooLarge();

    /// @notice Thrown when an account's ledger balance is less than the amount asked for.
    error InsufficientBalance();

    /// @notice Thrown when the tokens that arrived are not exactly those announced.
    error InexactTransfer();

    /// @notice Thrown when a voucher pays nothing beyond what is settled already.
    error NothingToSettle();

    /// @notice Thrown when a signature is malformed or not by the key that must sign.
    error InvalidSignature();

    /// @notice Thrown when a signature's deadline is over.
    error SignatureExpired();

    /// @notice Thrown when the payer asks to leave twice, or when a relayed top-up meets a pending
    /// exit.
    error ExitPending();

    /// @notice Thrown when an exit is finalised that was never requested.
    error ExitNotRequested();

    /// @notice Thrown when an exit is finalised before its delay is over.
    error ExitNotReady(uint256 closableAt);

    /// @notice Thrown when tokens would be withdrawn to the zero address or to this contract, or
    /// when a relayer's fee would go to the zero address.
    error InvalidRecipient();

    /// @notice Thrown when the debts of a set-off do not go round: fewer than two, or a payee is
    /// not the payer of the next.
    error NotARing();

    /// @notice Thrown when a channel in a set-off does not allow it.
    error SetOffNotAllowed();

    /// @notice Thrown when a set-off would cancel more than its payee could settle at this moment.
    error NotOwed(bytes32 channelId);

    // ── Events ──

    /// @notice Emitted when a channel opens. Carries the whole config, so that a device that lost
    /// everything but its keys finds its channels again.
    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        ChannelConfig config,
        uint256 deposit
    );

    /// @notice Emitted when a channel's deposit grows to `deposit`.
    event ToppedUp(bytes32 indexed channelId, uint256 amount, uint256 deposit);

    /// @notice Emitted when `amount` moves from a channel to its payee's ledger balance.
    event Settled(
        bytes32 indexed channelId, address indexed payee, uint256 amount, uint256 settledTotal
    );

    /// @notice Emitted for each channel of a set-off, when `amount` of its debt is cancelled.
    /// @param settledTotal What is settled now, `amount` included.
    /// @param deposit The deposit now, `amount` included.
    event SetOff(bytes32 indexed channelId, uint256 amount, uint256 settledTotal, uint256 deposit);

    /// @notice Emitted for a row of `settleMany` that did not settle.
    /// @param reason Selector of the error that `settle` would have thrown.
    event SettlementSkipped(bytes32 indexed channelId, bytes4 reason);

    /// @notice Emitted when the payer asks to leave; it may from `closableAt` on (Unix seconds).
    event CloseRequested(bytes32 indexed channelId, uint256 closableAt);

    /// @notice Emitted when a top-up by the payer calls off its pending exit.
    event CloseCancelled(bytes32 indexed channelId);

    /// @notice Emitted when a channel closes for good and `refunded` goes to its payer's ledger
    /// balance.
    event Closed(bytes32 indexed channelId, uint256 refunded);

    /// @notice Emitted when tokens come in for an account's ledger balance.
    event Deposited(address indexed account, uint256 amount);

    /// @notice Emitted when ledger balance is paid out in tokens.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Emitted when an account pays a relayer out of its ledger balance, as it signed.
    event FeePaid(address indexed account, address indexed relayer, uint256 fee);

    // ── Opening and funding ──

    /// @notice Opens a channel with tokens from the payer's wallet. Only the payer; needs an
    /// allowance.
    function open(ChannelConfig calldata config, uint128 amount)
        external
        returns (bytes32 channelId);

    /// @notice Opens a channel with the payer's ledger balance. Only the payer.
    function openFromBalance(ChannelConfig calldata config, uint128 amount)
        external
        returns (bytes32 channelId);

    /// @notice Opens a channel with an EIP-3009 authorisation of the payer; anyone may submit it.
    /// @dev The authorisation's nonce must be `openNonce(channelId)`: it binds every field of the
    /// config, so whoever submits can change nothing.
    /// @param signature The payer's, over the token's `ReceiveWithAuthorization` to this contract.
    function openWithAuthorization(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (bytes32 channelId);

    /// @notice Opens a channel with the payer's ledger balance and its signature; anyone may submit
    /// it. For somebody who earned tokens and holds no native coin.
    /// @dev Needs no nonce: an id opens once.
    function openFromBalanceWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external returns (bytes32 channelId);

    /// @notice Adds tokens from the payer's wallet. Only the payer. Calls off a pending exit.
    function topUp(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Adds from the payer's ledger balance. Only the payer. Calls off a pending exit.
    function topUpFromBalance(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Adds with an EIP-3009 authorisation of the payer; anyone may submit it.
    /// @dev Refused while an exit is pending: an authorisation that was signed before, and that
    /// somebody kept, must not hold the payer back. The nonce must be `topUpNonce(channelId,
    /// amount, topUpSalt)`.
    /// @param topUpSalt Tells apart top-ups of the same amount.
    function topUpWithAuthorization(
        ChannelConfig calldata config,
        uint128 amount,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external;

    /// @notice Adds from the payer's ledger balance with its signature; anyone may submit it.
    /// @dev Refused while an exit is pending, as above.
    function topUpFromBalanceWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external;

    /// @notice Puts tokens from the caller's wallet into its ledger balance.
    function deposit(uint256 amount) external;

    /// @notice As `deposit`, with an EIP-2612 permit of the caller instead of an allowance.
    /// @dev Whether the permit itself succeeds does not matter: somebody may have submitted it
    /// first, and then the allowance is there. Only the caller's own tokens are ever taken.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice Puts tokens of an account into its ledger balance with its EIP-3009 authorisation;
    /// anyone may submit it.
    /// @dev The authorisation is valid after 0 and before `relay.deadline`, and its nonce must be
    /// `depositNonce(salt, relayer, fee)`.
    /// @param amount Token units that leave the wallet, the relayer's fee included.
    /// @param salt Tells apart deposits of the same fee.
    function depositWithAuthorization(
        address account,
        uint256 amount,
        bytes32 salt,
        Relay calldata relay,
        bytes calldata signature
    ) external;

    // ── Settling ──

    /// @notice Pays `min(cumulativeAmount, deposit) - settled` to the payee's ledger balance.
    /// Anyone may submit: a sleeping payee can leave its vouchers with a watcher.
    /// @return amount What was paid.
    function settle(
        ChannelConfig calldata config,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) external returns (uint256 amount);

    /// @notice Settles every row that can be settled. A row that cannot is skipped with
    /// `SettlementSkipped`, so that no payer can spoil the others' settlement. Only calldata that
    /// is no valid encoding reverts, and that is in the submitter's own hands.
    /// @return total What was paid, over all rows.
    function settleMany(Settlement[] calldata settlements) external returns (uint256 total);

    /// @notice Cancels `amount` in each of a ring of debts: the payee of each channel is the payer
    /// of the next, and that of the last is the payer of the first. No token moves and no ledger
    /// balance changes. Anyone may submit; it happens as a whole or not at all.
    ///
    /// It is, to the last unit, the same as `settle` of `amount` on every channel, after which
    /// every account puts what it got into the channel in which it pays. So nobody's worth changes:
    /// each account gives up a claim of `amount` and is rid of a debt of `amount`. What is
    /// cancelled counts as settled: the voucher is worth that much less. The deposit grows by as
    /// much, so that what still covers the channel stays what it was.
    ///
    /// `settle` needs a voucher, and so does this, for each channel: nobody pays what its signer
    /// did not sign, nor more at once than its deposit covers. Putting earned money back to work
    /// needs the consent of whose money it is: as payer by the flag in the channel's config, as
    /// payee by an acknowledgement of the total up to which it may be paid so, until a deadline.
    ///
    /// An acknowledgement names no ring and has no nonce. It need not: what is settled only rises,
    /// so each unit up to the acknowledged total is cancelled or paid once, whatever ring it is in.
    ///
    /// A pending exit goes on: it is neither called off nor put off.
    /// @param ring Two channels or more. A channel may stand in it twice.
    /// @param amount Token units, the same for all.
    function setOff(Debt[] calldata ring, uint128 amount) external;

    // ── Closing ──

    /// @notice Settles a last voucher and refunds the rest at once. Only the payee.
    /// @param cumulativeAmount At or below what is settled already: nothing more is claimed, the
    /// signature is not looked at and may be empty. So a stranger who settles the same voucher
    /// first spoils nothing.
    function close(
        ChannelConfig calldata config,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) external;

    /// @notice Starts the payer's exit, which needs nobody's consent. Settling goes on until it is
    /// final.
    function requestClose(ChannelConfig calldata config) external;

    /// @notice Starts the payer's exit with its signature; anyone may submit it.
    /// @dev The signature names how many exits were called off so far. Only the payer itself calls
    /// one off, so nobody can make a signature void that the payer wants to use, neither by a
    /// top-up that was kept nor by a set-off; and one that was used cannot start another exit.
    /// @param deadline Unix seconds up to which the signature holds.
    function requestCloseWithSignature(
        ChannelConfig calldata config,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Ends a requested exit once its delay is over: refunds the rest to the payer. Anyone
    /// may call.
    function finalizeClose(ChannelConfig calldata config) external;

    // ── Leaving ──

    /// @notice Pays out the caller's ledger balance.
    function withdraw(address to, uint256 amount) external;

    /// @notice Pays out an account's ledger balance with its signature; anyone may submit it. For
    /// somebody who holds no native coin.
    /// @param amount Token units that go to `to`. The relayer's fee comes on top.
    function withdrawWithSignature(
        address account,
        address to,
        uint256 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external;

    // ── Views ──

    /// @notice The only token that this contract holds.
    function token() external view returns (IERC20);

    /// @notice What an account may withdraw or open channels with.
    function balanceOf(address account) external view returns (uint256);

    /// @notice The nonce of an account's next signed withdrawal or top-up from its balance.
    function nonces(address account) external view returns (uint256);

    /// @notice The id of a channel: the EIP-712 digest of its config, hence bound to this chain and
    /// contract. It stays the same if the chain forks and changes its chain id.
    function channelIdOf(ChannelConfig calldata config) external view returns (bytes32);

    /// @notice The state of one channel; all zero if it was never opened.
    function channel(bytes32 channelId) external view returns (Channel memory);

    /// @notice The states of many channels, in the order asked for.
    function channels(bytes32[] calldata channelIds) external view returns (Channel[] memory);

    /// @notice What a voucher's signer signs.
    function voucherDigest(bytes32 channelId, uint128 cumulativeAmount)
        external
        view
        returns (bytes32);

    /// @notice What a payee signs to let a channel be set off.
    function acknowledgementDigest(bytes32 channelId, uint128 cumulativeAmount, uint256 deadline)
        external
        view
        returns (bytes32);

    /// @notice The EIP-3009 nonce that opens a channel: the hash of the ABI encoding of
    /// `keccak256("Freehold ClearingHouse open")` and the id.
    function openNonce(bytes32 channelId) external pure returns (bytes32);

    /// @notice The EIP-3009 nonce of a top-up: the hash of the ABI encoding of `keccak256("Freehold
    /// ClearingHouse top-up")`, id, amount and salt.
    function topUpNonce(bytes32 channelId, uint128 amount, bytes32 topUpSalt)
        external
        pure
        returns (bytes32);

    /// @notice The EIP-3009 nonce of a deposit: the hash of the ABI encoding of `keccak256("Freehold
    /// ClearingHouse deposit")`, salt, relayer and fee.
    function depositNonce(bytes32 salt, address relayer, uint256 fee)
        external
        pure
        returns (bytes32);

    /// @notice The EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
