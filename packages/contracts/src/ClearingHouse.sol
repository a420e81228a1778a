// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";

/// @title ClearingHouse
/// @dev Every function that writes is `nonReentrant`, those without external calls too: a token
/// that calls back must find all doors shut, else a balance measured before and after a transfer
/// would mean nothing.
contract ClearingHouse is IClearingHouse, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address signer,address payee,uint40 delay,uint8 flags,bytes32 salt)"
    );
    bytes32 private constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 private constant ACKNOWLEDGEMENT_TYPEHASH =
        keccak256("Acknowledgement(bytes32 channelId,uint128 cumulativeAmount,uint256 deadline)");
    bytes32 private constant REQUEST_CLOSE_TYPEHASH =
        keccak256("RequestClose(bytes32 channelId,uint16 cancelledExits,uint256 deadline)");
    bytes32 private constant OPEN_FROM_BALANCE_TYPEHASH = keccak256(
        "OpenFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256 deadline)"
    );
    bytes32 private constant TOP_UP_FROM_BALANCE_TYPEHASH = keccak256(
        "TopUpFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant WITHDRAW_TYPEHASH = keccak256(
        "Withdraw(address account,address to,uint256 amount,address relayer,uint256 fee,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant OPEN_TAG = keccak256("Freehold ClearingHouse open");
    bytes32 private constant TOP_UP_TAG = keccak256("Freehold ClearingHouse top-up");
    bytes32 private constant DEPOSIT_TAG = keccak256("Freehold ClearingHouse deposit");

    // Under 15 minutes a payee could miss an exit during a short outage of its chain access; over
    // 30 days a payer would be locked in.
    uint40 private constant MIN_DELAY = 15 minutes;
    uint40 private constant MAX_DELAY = 30 days;
    uint8 private constant MAY_SET_OFF = 1;
    uint8 private constant KNOWN_FLAGS = MAY_SET_OFF;

    /// @inheritdoc IClearingHouse
    IERC20 public immutable token;

    /// @inheritdoc IClearingHouse
    mapping(address account => uint256) public balanceOf;

    /// @inheritdoc IClearingHouse
    mapping(address account => uint256) public nonces;

    // Ids keep the chain id of the day of deployment. Would they follow a fork's new one, nobody on
    // that side could name a channel any more, and what is in it would be lost. Signatures do
    // follow it.
    bytes32 private immutable _idDomain;

    // Closed channels stay, because a deleted id could be opened again and its old vouchers would
    // be worth money.
    mapping(bytes32 channelId => Channel) private _channels;

    constructor(IERC20 token_) EIP712("Freehold ClearingHouse", "1") {
        require(address(token_).code.length != 0, InvalidToken());
        token = token_;
        _idDomain = _domainSeparatorV4();
    }

    // ── Opening and funding ──

    /// @inheritdoc IClearingHouse
    function open(ChannelConfig calldata config, uint128 amount)
        external
        nonReentrant
        returns (bytes32 channelId)
    {
        require(msg.sender == config.payer, NotPayer());
        channelId = _openable(config, amount);
        _pull(msg.sender, amount);
        _open(channelId, config, amount);
    }

    /// @inheritdoc IClearingHouse
    function openFromBalance(ChannelConfig calldata config, uint128 amount)
        external
        nonReentrant
        returns (bytes32 channelId)
    {
        require(msg.sender == config.payer, NotPayer());
        channelId = _openable(config, amount);
        _debit(msg.sender, amount);
        _open(channelId, config, amount);
    }

    /// @inheritdoc IClearingHouse
    function openWithAuthorization(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 channelId) {
        channelId = _openable(config, amount);
        _pullAuthorized(
            config.payer, amount, validAfter, validBefore, openNonce(channelId), signature
        );
        _open(channelId, config, amount);
    }

    /// @inheritdoc IClearingHouse
    function openFromBalanceWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 channelId) {
        channelId = _openable(config, amount);
        bytes32 structHash = keccak256(
            abi.encode(
                OPEN_FROM_BALANCE_TYPEHASH,
                channelId,
                amount,
                relay.relayer,
                relay.fee,
                relay.deadline
            )
        );
        _takeOrder(config.payer, relay, structHash, signature);
        _debit(config.payer, amount);
        _open(channelId, config, amount);
    }

    /// @inheritdoc IClearingHouse
    function topUp(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(msg.sender == config.payer, NotPayer());
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        _checkAmount(amount, state.deposit);
        _pull(msg.sender, amount);
        _topUp(channelId, state, amount);
    }

    /// @inheritdoc IClearingHouse
    function topUpFromBalance(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(msg.sender == config.payer, NotPayer());
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        _checkAmount(amount, state.deposit);
        _debit(msg.sender, amount);
        _topUp(channelId, state, amount);
    }

    /// @inheritdoc IClearingHouse
    function topUpWithAuthorization(
        ChannelConfig calldata config,
        uint128 amount,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant {
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        require(state.exitRequestedAt == 0, ExitPending());
        _checkAmount(amount, state.deposit);
        _pullAuthorized(
            config.payer,
            amount,
            validAfter,
            validBefore,
            topUpNonce(channelId, amount, topUpSalt),
            signature
        );
        _topUp(channelId, state, amount);
    }

    /// @inheritdoc IClearingHouse
    function topUpFromBalanceWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external nonReentrant {
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        require(state.exitRequestedAt == 0, ExitPending());
        _checkAmount(amount, state.deposit);
        bytes32 structHash = keccak256(
            abi.encode(
                TOP_UP_FROM_BALANCE_TYPEHASH,
                channelId,
                amount,
                relay.relayer,
                relay.fee,
                nonces[config.payer]++,
                relay.deadline
            )
        );
        _takeOrder(config.payer, relay, structHash, signature);
        _debit(config.payer, amount);
        _topUp(channelId, state, amount);
    }

    /// @inheritdoc IClearingHouse
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @inheritdoc IClearingHouse
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        try IERC20Permit(address(token))
            .permit(msg.sender, address(this), amount, deadline, v, r, s) {}
            catch {}
        _deposit(amount);
    }

    /// @inheritdoc IClearingHouse
    function depositWithAuthorization(
        address account,
        uint256 amount,
        bytes32 salt,
        Relay calldata relay,
        bytes calldata signature
    ) external nonReentrant {
        require(amount != 0, ZeroAmount());
        bytes32 nonce = depositNonce(salt, relay.relayer, relay.fee);
        _pullAuthorized(account, amount, 0, relay.deadline, nonce, signature);
        balanceOf[account] += amount;
        emit Deposited(account, amount);
        _payFee(account, relay);
    }

    // ── Settling ──

    /// @inheritdoc IClearingHouse
    function settle(
        ChannelConfig calldata config,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) external nonReentrant returns (uint256 amount) {
        bytes4 failure;
        (amount, failure) = _settle(channelIdOf(config), config, cumulativeAmount, signature);
        if (failure != 0) _throw(failure);
    }

    /// @inheritdoc IClearingHouse
    function settleMany(Settlement[] calldata settlements)
        external
        nonReentrant
        returns (uint256 total)
    {
        for (uint256 i; i < settlements.length; ++i) {
            Settlement calldata row = settlements[i];
            bytes32 channelId = channelIdOf(row.config);
            (uint256 amount, bytes4 failure) =
                _settle(channelId, row.config, row.cumulativeAmount, row.signature);
            if (failure != 0) emit SettlementSkipped(channelId, failure);
            else total += amount;
        }
    }

    /// @inheritdoc IClearingHouse
    function setOff(Debt[] calldata ring, uint128 amount) external nonReentrant {
        require(amount != 0, ZeroAmount());
        require(ring.length > 1, NotARing());
        address creditor = ring[ring.length - 1].config.payee;
        for (uint256 i; i < ring.length; ++i) {
            Debt calldata debt = ring[i];
            require(debt.config.payer == creditor, NotARing());
            creditor = debt.config.payee;
            _setOff(debt, amount);
        }
    }

    // ── Closing ──

    /// @inheritdoc IClearingHouse
    function close(
        ChannelConfig calldata config,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) external nonReentrant {
        require(msg.sender == config.payee, NotPayee());
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        if (cumulativeAmount > state.settled) {
            (, bytes4 failure) = _settle(channelId, config, cumulativeAmount, signature);
            // A voucher over a channel that is settled to the brim pays nothing, but is no reason
            // to stay open.
            if (failure != 0 && failure != NothingToSettle.selector) _throw(failure);
        }
        _close(channelId, state, config.payer);
    }

    /// @inheritdoc IClearingHouse
    function requestClose(ChannelConfig calldata config) external nonReentrant {
        require(msg.sender == config.payer, NotPayer());
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        _requestClose(channelId, state, config.delay);
    }

    /// @inheritdoc IClearingHouse
    function requestCloseWithSignature(
        ChannelConfig calldata config,
        uint256 deadline,
        bytes calldata signature
    ) external nonReentrant {
        require(block.timestamp <= deadline, SignatureExpired());
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        bytes32 structHash = keccak256(
            abi.encode(REQUEST_CLOSE_TYPEHASH, channelId, state.cancelledExits, deadline)
        );
        require(_isSignedBy(config.payer, structHash, signature), InvalidSignature());
        _requestClose(channelId, state, config.delay);
    }

    /// @inheritdoc IClearingHouse
    function finalizeClose(ChannelConfig calldata config) external nonReentrant {
        (bytes32 channelId, Channel storage state) = _openChannel(config);
        uint256 requestedAt = state.exitRequestedAt;
        require(requestedAt != 0, ExitNotRequested());
        uint256 closableAt = requestedAt + config.delay;
        require(block.timestamp >= closableAt, ExitNotReady(closableAt));
        _close(channelId, state, config.payer);
    }

    // ── Leaving ──

    /// @inheritdoc IClearingHouse
    function withdraw(address to, uint256 amount) external nonReentrant {
        _withdraw(msg.sender, to, amount);
    }

    /// @inheritdoc IClearingHouse
    function withdrawWithSignature(
        address account,
        address to,
        uint256 amount,
        Relay calldata relay,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 structHash = keccak256(
            abi.encode(
                WITHDRAW_TYPEHASH,
                account,
                to,
                amount,
                relay.relayer,
                relay.fee,
                nonces[account]++,
                relay.deadline
            )
        );
        _takeOrder(account, relay, structHash, signature);
        _withdraw(account, to, amount);
    }

    // ── Views ──

    /// @inheritdoc IClearingHouse
    function channelIdOf(ChannelConfig calldata config) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(
            _idDomain,
            keccak256(
                abi.encode(
                    CONFIG_TYPEHASH,
                    config.payer,
                    config.signer,
                    config.payee,
                    config.delay,
                    config.flags,
                    config.salt
                )
            )
        );
    }

    /// @inheritdoc IClearingHouse
    function channel(bytes32 channelId) external view returns (Channel memory) {
        return _channels[channelId];
    }

    /// @inheritdoc IClearingHouse
    function channels(bytes32[] calldata channelIds)
        external
        view
        returns (Channel[] memory states)
    {
        states = new Channel[](channelIds.length);
        for (uint256 i; i < channelIds.length; ++i) {
            states[i] = _channels[channelIds[i]];
        }
    }

    /// @inheritdoc IClearingHouse
    function voucherDigest(bytes32 channelId, uint128 cumulativeAmount)
        external
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(_voucherHash(channelId, cumulativeAmount));
    }

    /// @inheritdoc IClearingHouse
    function acknowledgementDigest(bytes32 channelId, uint128 cumulativeAmount, uint256 deadline)
        external
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(_acknowledgementHash(channelId, cumulativeAmount, deadline));
    }

    /// @inheritdoc IClearingHouse
    function openNonce(bytes32 channelId) public pure returns (bytes32) {
        return keccak256(abi.encode(OPEN_TAG, channelId));
    }

    /// @inheritdoc IClearingHouse
    function topUpNonce(bytes32 channelId, uint128 amount, bytes32 topUpSalt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TOP_UP_TAG, channelId, amount, topUpSalt));
    }

    /// @inheritdoc IClearingHouse
    function depositNonce(bytes32 salt, address relayer, uint256 fee)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(DEPOSIT_TAG, salt, relayer, fee));
    }

    /// @inheritdoc IClearingHouse
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ── Money in and out ──

    function _pull(address from, uint256 amount) private {
        uint256 expected = token.balanceOf(address(this)) + amount;
        token.safeTransferFrom(from, address(this), amount);
        require(token.balanceOf(address(this)) == expected, InexactTransfer());
    }

    function _pullAuthorized(
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private {
        uint256 expected = token.balanceOf(address(this)) + amount;
        IReceiveWithAuthorization(address(token))
            .receiveWithAuthorization(
                from, address(this), amount, validAfter, validBefore, nonce, signature
            );
        require(token.balanceOf(address(this)) == expected, InexactTransfer());
    }

    function _deposit(uint256 amount) private {
        require(amount != 0, ZeroAmount());
        _pull(msg.sender, amount);
        balanceOf[msg.sender] += amount;
        emit Deposited(msg.sender, amount);
    }

    // What an account signed for somebody else to submit: checked, and paid for.
    function _takeOrder(
        address account,
        Relay calldata relay,
        bytes32 structHash,
        bytes calldata signature
    ) private {
        require(block.timestamp <= relay.deadline, SignatureExpired());
        require(_isSignedBy(account, structHash, signature), InvalidSignature());
        _payFee(account, relay);
    }

    function _payFee(address account, Relay calldata relay) private {
        if (relay.fee == 0) return;
        require(relay.relayer != address(0), InvalidRecipient());
        _debit(account, relay.fee);
        balanceOf[relay.relayer] += relay.fee;
        emit FeePaid(account, relay.relayer, relay.fee);
    }

    function _debit(address account, uint256 amount) private {
        uint256 balance = balanceOf[account];
        require(amount <= balance, InsufficientBalance());
        unchecked {
            balanceOf[account] = balance - amount;
        }
    }

    function _withdraw(address account, address to, uint256 amount) private {
        require(amount != 0, ZeroAmount());
        require(to != address(0) && to != address(this), InvalidRecipient());
        _debit(account, amount);
        emit Withdrawn(account, to, amount);
        token.safeTransfer(to, amount);
    }

    // ── Channels ──

    function _openable(ChannelConfig calldata config, uint128 amount)
        private
        view
        returns (bytes32 channelId)
    {
        require(
            config.signer != address(0) && config.payee != address(0)
                && config.payee != address(this),
            InvalidParty()
        );
        require(config.delay >= MIN_DELAY && config.delay <= MAX_DELAY, InvalidDelay());
        require(config.flags & ~KNOWN_FLAGS == 0, InvalidFlags());
        _checkAmount(amount, 0);
        channelId = channelIdOf(config);
        require(_channels[channelId].status == Status.None, ChannelExists());
    }

    function _open(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        Channel storage state = _channels[channelId];
        state.status = Status.Open;
        // Both casts of an amount are safe: `_checkAmount` was here.
        // forge-lint: disable-next-line(unsafe-typecast)
        state.deposit = uint96(amount);
        emit ChannelOpened(channelId, config.payer, config.payee, config, amount);
    }

    function _topUp(bytes32 channelId, Channel storage state, uint128 amount) private {
        // forge-lint: disable-next-line(unsafe-typecast)
        uint96 total = state.deposit + uint96(amount);
        state.deposit = total;
        if (state.exitRequestedAt != 0) {
            state.exitRequestedAt = 0;
            // Checked: after 65,535 changes of mind the payer can only leave.
            state.cancelledExits += 1;
            emit CloseCancelled(channelId);
        }
        emit ToppedUp(channelId, amount, total);
    }

    // Returns why it failed instead of reverting, so that one row cannot take a batch down. For the
    // same reason nothing in here calls out, except to the ecrecover precompile.
    function _settle(
        bytes32 channelId,
        ChannelConfig calldata config,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) private returns (uint256 amount, bytes4 failure) {
        Channel storage state = _channels[channelId];
        if (state.status != Status.Open) return (0, ChannelNotOpen.selector);

        // A voucher above the deposit is worth the deposit: it must never be worth nothing.
        uint96 settled = state.settled;
        uint96 total = state.deposit;
        // forge-lint: disable-next-line(unsafe-typecast)
        if (cumulativeAmount < total) total = uint96(cumulativeAmount);
        if (total <= settled) return (0, NothingToSettle.selector);

        if (!_isSignedBy(config.signer, _voucherHash(channelId, cumulativeAmount), signature)) {
            return (0, InvalidSignature.selector);
        }

        unchecked {
            amount = total - settled;
        }
        state.settled = total;
        balanceOf[config.payee] += amount;
        emit Settled(channelId, config.payee, amount, total);
    }

    // The same as settling and topping the payer's next channel up by what was got, without the
    // ledger in between: see `setOff` in the interface.
    function _setOff(Debt calldata debt, uint128 amount) private {
        ChannelConfig calldata config = debt.config;
        uint128 cumulativeAmount = debt.cumulativeAmount;
        require(config.flags & MAY_SET_OFF != 0, SetOffNotAllowed());
        require(block.timestamp <= debt.deadline, SignatureExpired());
        (bytes32 channelId, Channel storage state) = _openChannel(config);

        // No more than `settle` would pay now: else somebody's covered claim would be spent on a
        // debt that nothing covers.
        uint96 settled = state.settled;
        uint96 total = state.deposit;
        uint256 limit = cumulativeAmount < total ? cumulativeAmount : total;
        require(uint256(settled) + amount <= limit, NotOwed(channelId));
        _checkAmount(amount, total);

        require(
            _isSignedBy(config.signer, _voucherHash(channelId, cumulativeAmount), debt.voucher)
                && _isSignedBy(
                    config.payee,
                    _acknowledgementHash(channelId, cumulativeAmount, debt.deadline),
                    debt.acknowledgement
                ),
            InvalidSignature()
        );

        unchecked {
            // forge-lint: disable-next-line(unsafe-typecast)
            settled += uint96(amount);
            // forge-lint: disable-next-line(unsafe-typecast)
            total += uint96(amount);
        }
        state.settled = settled;
        state.deposit = total;
        emit SetOff(channelId, amount, settled, total);
    }

    function _requestClose(bytes32 channelId, Channel storage state, uint256 delay) private {
        require(state.exitRequestedAt == 0, ExitPending());
        state.exitRequestedAt = uint40(block.timestamp);
        emit CloseRequested(channelId, block.timestamp + delay);
    }

    function _close(bytes32 channelId, Channel storage state, address payer) private {
        uint256 refund = state.deposit - state.settled;
        state.status = Status.Closed;
        state.exitRequestedAt = 0;
        balanceOf[payer] += refund;
        emit Closed(channelId, refund);
    }

    function _openChannel(ChannelConfig calldata config)
        private
        view
        returns (bytes32 channelId, Channel storage state)
    {
        channelId = channelIdOf(config);
        state = _channels[channelId];
        require(state.status == Status.Open, ChannelNotOpen());
    }

    function _checkAmount(uint128 amount, uint96 held) private pure {
        require(amount != 0, ZeroAmount());
        require(amount <= type(uint96).max - held, DepositTooLarge());
    }

    // ── Signatures ──

    function _voucherHash(bytes32 channelId, uint128 cumulativeAmount)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount));
    }

    function _acknowledgementHash(bytes32 channelId, uint128 cumulativeAmount, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        return
            keccak256(abi.encode(ACKNOWLEDGEMENT_TYPEHASH, channelId, cumulativeAmount, deadline));
    }

    function _isSignedBy(address key, bytes32 structHash, CompactSignature calldata signature)
        private
        view
        returns (bool)
    {
        (address recovered, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(_hashTypedDataV4(structHash), signature.r, signature.vs);
        return problem == ECDSA.RecoverError.NoError && recovered == key;
    }

    function _isSignedBy(address key, bytes32 structHash, bytes calldata signature)
        private
        view
        returns (bool)
    {
        (address recovered, ECDSA.RecoverError problem,) =
            ECDSA.tryRecoverCalldata(_hashTypedDataV4(structHash), signature);
        return problem == ECDSA.RecoverError.NoError && recovered == key;
    }

    function _throw(bytes4 selector) private pure {
        assembly ("memory-safe") {
            mstore(0, selector)
            revert(0, 4)
        }
    }
}
