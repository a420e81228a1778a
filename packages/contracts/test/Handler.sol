// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Signing} from "./Fixture.sol";

/// @notice Four accounts that fund, pay, forge, replay and leave, over eight channels. Calls may
/// fail; a call that succeeds though it must not, or a state that goes backwards, is written to
/// `broken`.
contract Handler is Signing {
    struct HeldTopUp {
        uint256 channel;
        uint128 amount;
        bytes32 salt;
        bytes signature;
    }

    uint256 public constant ACTORS = 4;
    uint256 public constant CHANNELS = 8;
    uint256 public constant FUNDS = 1e15;
    uint256 private constant SIGNER_KEYS = 1000;

    DevToken public token;
    IClearingHouse public house;
    string public broken;
    bytes32[] public ids;

    /// Highest cumulative amount that the right key ever signed.
    mapping(uint256 channel => uint256) public promised;
    mapping(address => uint256) public sent;
    mapping(address => uint256) public received;
    mapping(address => uint256) public paidFees;
    mapping(address => uint256) public earnedFees;
    mapping(string action => uint256) public successes;

    address[] private _actors;
    IClearingHouse.ChannelConfig[] private _configs;
    IClearingHouse.Channel[] private _last;
    HeldTopUp[] private _held;
    uint256 private _random;
    IClearingHouse.Relay private _relay;
    address private _relayFrom;

    constructor() {
        token = new DevToken();
        house = deployHouse(address(token));
        for (uint256 i; i < ACTORS; ++i) {
            _actors.push(vm.addr(keyOf(i)));
            token.mint(_actors[i], FUNDS);
            vm.prank(_actors[i]);
            token.approve(address(house), type(uint256).max);
        }
        for (uint256 i; i < CHANNELS; ++i) {
            _configs.push(
                IClearingHouse.ChannelConfig({
                    payer: actor(i),
                    signer: vm.addr(SIGNER_KEYS + i),
                    // The last two pay to themselves, which is pointless and must do no harm.
                    payee: actor(i + 1 + i / 2),
                    delay: uint40(15 minutes + i * 1 hours),
                    // Without one flag here and there a set-off would never be refused for it.
                    flags: i % 4 == 3 ? 0 : 1,
                    salt: bytes32(i)
                })
            );
            ids.push(house.channelIdOf(_configs[i]));
            _last.push();
            // Most are open from the start, so that a short run has something to work on.
            if (i % 4 != 3) {
                vm.prank(actor(i));
                house.open(_configs[i], uint128(FUNDS / 32));
            }
        }
        compareWithLast();
    }

    /// Every action takes one number and draws what it needs from it: the fuzzer's own numbers are
    /// so often extreme or repeated that most branches would be left alone.
    modifier checked(uint256 seed) {
        _random = uint256(keccak256(abi.encode(seed, _random)));
        _;
        compareWithLast();
    }

    // ── What the invariants look at ──

    function keyOf(uint256 index) private pure returns (uint256) {
        return 1 + index % ACTORS;
    }

    function actor(uint256 index) public view returns (address) {
        return _actors[index % ACTORS];
    }

    function actors() external view returns (address[] memory) {
        return _actors;
    }

    function config(uint256 index) public view returns (IClearingHouse.ChannelConfig memory) {
        return _configs[index % CHANNELS];
    }

    function configs() external view returns (IClearingHouse.ChannelConfig[] memory) {
        return _configs;
    }

    function states() external view returns (IClearingHouse.Channel[] memory) {
        return house.channels(ids);
    }

    /// What others can do about a payer's exit: send in what it once signed.
    function interfere(uint256 channel) external {
        for (uint256 i; i < _held.length; ++i) {
            if (_held[i].channel == channel) submit(_held[i]);
        }
        uint128 cumulative = uint128(promised[channel]);
        bytes memory signature =
            signVoucher(SIGNER_KEYS + channel, address(house), ids[channel], cumulative);
        attempt(
            actor(channel + 1),
            abi.encodeCall(house.settle, (config(channel), cumulative, signature))
        );
    }

    /// The best voucher that a channel's signer ever gave.
    function bestVoucher(uint256 channel)
        external
        view
        returns (uint128 cumulative, bytes memory signature)
    {
        cumulative = uint128(promised[channel]);
        signature = signVoucher(SIGNER_KEYS + channel, address(house), ids[channel], cumulative);
    }

    // ── Actions ──

    function open(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        uint128 amount = drawAmount();
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = drawCaller(channel);
        uint256 how = draw(4);
        bytes memory call;
        if (how == 0) {
            call = abi.encodeCall(house.open, (c, amount));
        } else if (how == 1) {
            call = abi.encodeCall(house.openFromBalance, (c, amount));
        } else if (how == 2) {
            uint256 key = sender == c.payer ? keyOf(channel) : keyOf(channel + 1);
            IClearingHouse.Relay memory relay = drawRelay(actor(channel));
            bytes memory order =
                signOpenFromBalance(key, address(house), ids[channel], amount, relay);
            call = abi.encodeCall(house.openFromBalanceWithSignature, (c, amount, relay, order));
        } else {
            uint256 key = sender == c.payer ? keyOf(channel) : keyOf(channel + 1);
            bytes memory signature = signAuthorization(key, amount, house.openNonce(ids[channel]));
            call = abi.encodeCall(
                house.openWithAuthorization, (c, amount, 0, type(uint256).max, signature)
            );
        }
        if (!attempt(sender, call)) return;
        if (how == 2) noteFee();
        if (sender != c.payer) broken = "opened without the payer";
        if (_last[channel].status != IClearingHouse.Status.None) broken = "opened twice";
        ++successes["open"];
    }

    function topUp(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        uint128 amount = drawAmount();
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = drawCaller(channel);
        bytes memory call = draw(2) == 0
            ? abi.encodeCall(house.topUp, (c, amount))
            : abi.encodeCall(house.topUpFromBalance, (c, amount));
        if (!attempt(sender, call)) return;
        if (sender != c.payer) broken = "topped up without the payer";
        if (_last[channel].exitRequestedAt != 0) ++successes["cancelExit"];
        ++successes["topUp"];
    }

    function topUpSigned(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        uint128 amount = drawAmount();
        bool isForged = draw(4) == 0;
        IClearingHouse.ChannelConfig memory c = config(channel);
        IClearingHouse.Relay memory relay = drawRelay(c.payer);
        bytes memory signature = signTopUpFromBalance(
            keyOf(isForged ? channel + 1 : channel),
            address(house),
            ids[channel],
            amount,
            relay,
            house.nonces(c.payer)
        );
        bytes memory call =
            abi.encodeCall(house.topUpFromBalanceWithSignature, (c, amount, relay, signature));
        if (!attempt(actor(draw(ACTORS)), call)) return;
        noteFee();
        if (isForged) broken = "topped up with a forged signature";
        if (_last[channel].exitRequestedAt != 0) broken = "a signed top-up undid an exit";
        ++successes["topUpSigned"];
    }

    /// Goes from payee to payer until it is back where it began, or gives up.
    function setOff(uint256 seed) external checked(seed) {
        IClearingHouse.Debt[] memory path = new IClearingHouse.Debt[](8);
        uint256 size;
        bool isForged;
        bool isAllowed = true;
        address next = actor(draw(ACTORS));
        address first = next;
        for (uint256 tries; tries < 32 && size < path.length; ++tries) {
            uint256 channel = draw(CHANNELS);
            IClearingHouse.ChannelConfig memory c = config(channel);
            if (c.payer != next || (c.flags == 0 && draw(4) != 0)) continue;
            bool isBad;
            (path[size++], isBad) = drawDebt(channel);
            isForged = isForged || isBad;
            isAllowed = isAllowed && c.flags == 1;
            next = c.payee;
            if (next == first && size > 1) break;
        }
        // Now and then what does not go round.
        bool isRing = next == first && size > 1;
        if (!isRing && draw(4) != 0) return;
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](size);
        uint128 amount = uint128(draw(8) == 0 ? draw(2 ** 128) : 1 + draw(FUNDS / 4096));
        for (uint256 i; i < size; ++i) {
            ring[i] = path[i];
        }
        bytes32 before = keccak256(abi.encode(locked(), ledgers()));
        if (!attempt(actor(draw(ACTORS)), abi.encodeCall(house.setOff, (ring, amount)))) return;
        if (!isRing) broken = "set off what does not go round";
        if (isForged) broken = "set off with a forged signature";
        if (!isAllowed) broken = "set off what is not to be";
        if (keccak256(abi.encode(locked(), ledgers())) != before) broken = "a set-off moved money";
        ++successes["setOff"];
    }

    /// Signs an authorisation and leaves it lying about.
    function signTopUp(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        uint128 amount = drawAmount();
        bytes32 salt = bytes32(_held.length);
        bytes32 nonce = house.topUpNonce(ids[channel], amount, salt);
        bytes memory signature = signAuthorization(keyOf(channel), amount, nonce);
        _held.push(HeldTopUp(channel, amount, salt, signature));
    }

    function submitTopUp(uint256 seed) external checked(seed) {
        if (_held.length == 0) return;
        HeldTopUp memory held = _held[draw(_held.length)];
        if (!submit(held)) return;
        if (_last[held.channel].exitRequestedAt != 0) broken = "a kept top-up undid an exit";
        ++successes["submitTopUp"];
    }

    function deposit(uint256 seed) external checked(seed) {
        uint256 account = draw(ACTORS);
        uint128 amount = drawAmount();
        address sender = actor(account);
        bytes memory call = abi.encodeCall(house.deposit, (amount));
        uint256 how = draw(3);
        if (how == 1) {
            call = abi.encodeCall(house.depositWithPermit, (amount, type(uint256).max, 27, "", ""));
        } else if (how == 2) {
            bytes32 salt = bytes32(draw(type(uint256).max));
            IClearingHouse.Relay memory relay = drawRelay(sender);
            relay.deadline = type(uint256).max;
            bytes32 nonce = house.depositNonce(salt, relay.relayer, relay.fee);
            bytes memory signature = signAuthorization(keyOf(account), amount, nonce);
            call = abi.encodeCall(
                house.depositWithAuthorization, (sender, amount, salt, relay, signature)
            );
            sender = actor(account + 1);
        }
        if (!attempt(sender, call)) return;
        if (how == 2) noteFee();
        ++successes["deposit"];
    }

    function settle(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        (uint128 cumulative, bytes memory signature, bool isForged) = drawVoucher(channel);
        bytes memory call = abi.encodeCall(house.settle, (config(channel), cumulative, signature));
        if (!attempt(actor(draw(ACTORS)), call)) return;
        if (isForged) broken = "settled with a forged voucher";
        ++successes["settle"];
    }

    function settleMany(uint256 seed) external checked(seed) {
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](4);
        for (uint256 i; i < rows.length; ++i) {
            uint256 channel = draw(CHANNELS);
            (uint128 cumulative, bytes memory signature,) = drawVoucher(channel);
            rows[i] = IClearingHouse.Settlement(config(channel), cumulative, signature);
        }
        bool isDone = attempt(actor(draw(ACTORS)), abi.encodeCall(house.settleMany, (rows)));
        if (!isDone) broken = "a row took its batch down";
        ++successes["settleMany"];
    }

    function close(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        (uint128 cumulative, bytes memory signature, bool isForged) = drawVoucher(channel);
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = draw(2) == 0 ? actor(draw(ACTORS)) : c.payee;
        if (!attempt(sender, abi.encodeCall(house.close, (c, cumulative, signature)))) return;
        if (sender != c.payee) broken = "closed without the payee";
        IClearingHouse.Channel memory last = _last[channel];
        bool isClaiming = cumulative > last.settled && last.settled < last.deposit;
        if (isForged && isClaiming) broken = "closed with a forged voucher";
        ++successes["close"];
    }

    function requestClose(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = drawCaller(channel);
        bytes memory call = abi.encodeCall(house.requestClose, (c));
        if (draw(2) == 0) {
            uint256 key = sender == c.payer ? keyOf(channel) : keyOf(channel + 1);
            uint256 held = _last[channel].cancelledExits;
            bytes memory signature =
                signRequestClose(key, address(house), ids[channel], held, block.timestamp);
            call = abi.encodeCall(house.requestCloseWithSignature, (c, block.timestamp, signature));
        }
        if (!attempt(sender, call)) return;
        if (sender != c.payer) broken = "an exit without the payer";
        ++successes["requestClose"];
    }

    function finalizeClose(uint256 seed) external checked(seed) {
        uint256 channel = draw(CHANNELS);
        IClearingHouse.Channel memory last = _last[channel];
        bool isDue = last.status == IClearingHouse.Status.Open && last.exitRequestedAt != 0
            && block.timestamp >= last.exitRequestedAt + config(channel).delay;
        bytes memory call = abi.encodeCall(house.finalizeClose, (config(channel)));
        bool isDone = attempt(actor(draw(ACTORS)), call);
        if (isDone && !isDue) broken = "an exit too early or never asked for";
        if (!isDone && isDue) broken = "an exit was held up";
        if (isDone) ++successes["finalizeClose"];
    }

    function withdraw(uint256 seed) external checked(seed) {
        uint256 account = draw(ACTORS);
        address from = actor(account);
        address to = actor(draw(ACTORS));
        uint256 amount = 1 + draw(house.balanceOf(from) + 1);
        bytes memory call = abi.encodeCall(house.withdraw, (to, amount));
        bool isSigned = draw(2) == 0;
        bool isForged = isSigned && draw(3) == 0;
        if (isSigned) {
            bytes memory signature = signWithdraw(
                keyOf(isForged ? account + 1 : account),
                address(house),
                from,
                to,
                amount,
                drawRelay(from),
                house.nonces(from)
            );
            call =
                abi.encodeCall(house.withdrawWithSignature, (from, to, amount, _relay, signature));
        }
        if (!attempt(from, call)) return;
        if (isForged) broken = "withdrew with a forged signature";
        if (isSigned) noteFee();
        sent[from] += amount;
        received[to] += amount;
        ++successes["withdraw"];
    }

    function passTime(uint256 seed) external checked(seed) {
        vm.warp(block.timestamp + 1 + draw(1 days));
    }

    // ── Parts of actions ──

    function draw(uint256 size) private returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random % size;
    }

    /// Mostly an amount that fits, sometimes nothing or too much.
    function drawAmount() private returns (uint128) {
        if (draw(16) == 0) return 0;
        return uint128(draw(16) == 0 ? draw(2 ** 128) : 1 + draw(FUNDS / 32));
    }

    /// Sometimes a fee, mostly one that fits in, sometimes one for nobody.
    function drawRelay(address from) private returns (IClearingHouse.Relay memory) {
        address relayer = draw(16) == 0 ? address(0) : actor(draw(ACTORS));
        uint256 fee = draw(2) == 0 ? 0 : draw(draw(8) == 0 ? 2 ** 128 : 1000);
        _relay = IClearingHouse.Relay(relayer, fee, block.timestamp);
        _relayFrom = from;
        return _relay;
    }

    /// The last relay drawn was paid for.
    function noteFee() private {
        paidFees[_relayFrom] += _relay.fee;
        if (_relay.fee == 0) return;
        if (_relay.relayer == address(0)) broken = "paid a fee to nobody";
        earnedFees[_relay.relayer] += _relay.fee;
    }

    /// A debt as its two signers would write it, or one that is forged.
    function drawDebt(uint256 channel)
        private
        returns (IClearingHouse.Debt memory debt, bool isForged)
    {
        debt.config = config(channel);
        debt.cumulativeAmount = uint128(draw(FUNDS / 16));
        debt.deadline = block.timestamp;
        uint256 forge = draw(24);
        uint256 key = forge == 0 ? keyOf(channel) : SIGNER_KEYS + channel;
        debt.voucher =
            compact(signVoucher(key, address(house), ids[channel], debt.cumulativeAmount));
        if (forge != 0 && debt.cumulativeAmount > promised[channel]) {
            promised[channel] = debt.cumulativeAmount;
        }
        for (key = 0; actor(key) != debt.config.payee;) {
            ++key;
        }
        debt.acknowledgement = compact(
            signAcknowledgement(
                forge == 1 ? SIGNER_KEYS + channel : keyOf(key),
                address(house),
                ids[channel],
                debt.cumulativeAmount,
                block.timestamp
            )
        );
        if (forge == 2) debt.deadline += 1;
        isForged = forge < 3;
    }

    /// What is left in each channel.
    function locked() private view returns (uint256[] memory amounts) {
        IClearingHouse.Channel[] memory states_ = house.channels(ids);
        amounts = new uint256[](CHANNELS);
        for (uint256 i; i < CHANNELS; ++i) {
            amounts[i] = states_[i].deposit - states_[i].settled;
        }
    }

    function ledgers() private view returns (uint256[] memory balances) {
        balances = new uint256[](ACTORS);
        for (uint256 i; i < ACTORS; ++i) {
            balances[i] = house.balanceOf(actor(i));
        }
    }

    /// Mostly the payer, sometimes anybody.
    function drawCaller(uint256 channel) private returns (address) {
        return actor(draw(4) == 0 ? draw(ACTORS) : channel);
    }

    /// Mostly less than is in a channel, sometimes more; mostly signed, sometimes not or by a wrong
    /// key.
    function drawVoucher(uint256 channel)
        private
        returns (uint128 cumulative, bytes memory signature, bool isForged)
    {
        cumulative = uint128(draw(draw(16) == 0 ? 2 ** 128 : FUNDS / 64));
        if (draw(8) == 0) return (cumulative, "", true);
        isForged = draw(8) == 0;
        uint256 key = isForged ? keyOf(draw(ACTORS)) : SIGNER_KEYS + channel;
        signature = signVoucher(key, address(house), ids[channel], cumulative);
        if (!isForged && cumulative > promised[channel]) promised[channel] = cumulative;
    }

    function submit(HeldTopUp memory held) private returns (bool) {
        bytes memory call = abi.encodeCall(
            house.topUpWithAuthorization,
            (config(held.channel), held.amount, held.salt, 0, type(uint256).max, held.signature)
        );
        return attempt(actor(held.channel + 1), call);
    }

    function attempt(address sender, bytes memory call) private returns (bool isDone) {
        vm.prank(sender);
        (isDone,) = address(house).call(call);
    }

    function compareWithLast() private {
        IClearingHouse.Channel[] memory now_ = house.channels(ids);
        for (uint256 i; i < CHANNELS; ++i) {
            IClearingHouse.Channel memory last = _last[i];
            IClearingHouse.Channel memory state = now_[i];
            if (state.settled < last.settled) broken = "settled fell";
            if (state.deposit < last.deposit) broken = "deposit fell";
            if (state.status < last.status) broken = "status went back";
            bool isMoved = state.settled != last.settled || state.deposit != last.deposit;
            if (last.status == IClearingHouse.Status.Closed && isMoved) {
                broken = "closed, yet moved";
            }
            _last[i] = state;
        }
    }

    function signAuthorization(uint256 key, uint128 amount, bytes32 nonce)
        private
        view
        returns (bytes memory)
    {
        return signReceive(key, address(token), address(house), amount, 0, type(uint256).max, nonce);
    }
}
