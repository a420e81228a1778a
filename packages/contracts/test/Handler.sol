// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Signing} from "./Fixture.sol";

/// @notice Four accounts that fund, pay, forge, replay and leave, over sixteen channels. Calls may
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
    uint256 public constant CHANNELS = 16;
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
    mapping(string action => uint256) public successes;

    address[] private _actors;
    IClearingHouse.ChannelConfig[] private _configs;
    IClearingHouse.Channel[] private _last;
    HeldTopUp[] private _held;

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
                    // The last four pay to themselves, which is pointless and must do no harm.
                    payee: actor(i + 1 + i / 4),
                    delay: uint40(15 minutes + i * 1 hours),
                    flags: uint8(i % 2),
                    salt: bytes32(i)
                })
            );
            ids.push(house.channelIdOf(_configs[i]));
            _last.push();
        }
    }

    modifier checked() {
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

    function heldCount() external view returns (uint256) {
        return _held.length;
    }

    // ── Actions ──

    function open(uint256 channel, uint256 caller, uint256 amountSeed, uint256 how)
        external
        checked
    {
        channel %= CHANNELS;
        uint128 amount = pickAmount(amountSeed);
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = pickCaller(channel, caller);
        bytes memory call;
        if (how % 3 == 0) {
            call = abi.encodeCall(house.open, (c, amount));
        } else if (how % 3 == 1) {
            call = abi.encodeCall(house.openFromBalance, (c, amount));
        } else {
            uint256 key = sender == c.payer ? keyOf(channel) : keyOf(channel + 1);
            bytes memory signature = signAuthorization(key, amount, house.openNonce(ids[channel]));
            call = abi.encodeCall(
                house.openWithAuthorization, (c, amount, 0, type(uint256).max, signature)
            );
        }
        if (!attempt(sender, call)) return;
        if (sender != c.payer) broken = "opened without the payer";
        if (_last[channel].status != IClearingHouse.Status.None) broken = "opened twice";
        ++successes["open"];
    }

    function topUp(uint256 channel, uint256 caller, uint256 amountSeed, uint256 how)
        external
        checked
    {
        channel %= CHANNELS;
        uint128 amount = pickAmount(amountSeed);
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = pickCaller(channel, caller);
        bytes memory call = how % 2 == 0
            ? abi.encodeCall(house.topUp, (c, amount))
            : abi.encodeCall(house.topUpFromBalance, (c, amount));
        if (!attempt(sender, call)) return;
        if (sender != c.payer) broken = "topped up without the payer";
        if (_last[channel].exitRequestedAt != 0) ++successes["cancelExit"];
        ++successes["topUp"];
    }

    /// Signs an authorisation and leaves it lying about.
    function signTopUp(uint256 channel, uint256 amountSeed) external checked {
        channel %= CHANNELS;
        uint128 amount = pickAmount(amountSeed);
        bytes32 salt = bytes32(_held.length);
        bytes32 nonce = house.topUpNonce(ids[channel], amount, salt);
        bytes memory signature = signAuthorization(keyOf(channel), amount, nonce);
        _held.push(HeldTopUp(channel, amount, salt, signature));
    }

    function submitTopUp(uint256 index) external checked {
        if (_held.length == 0) return;
        HeldTopUp memory held = _held[index % _held.length];
        bytes memory call = abi.encodeCall(
            house.topUpWithAuthorization,
            (config(held.channel), held.amount, held.salt, 0, type(uint256).max, held.signature)
        );
        if (!attempt(actor(index), call)) return;
        if (_last[held.channel].exitRequestedAt != 0) broken = "a kept top-up undid an exit";
        ++successes["submitTopUp"];
    }

    function deposit(uint256 account, uint256 amountSeed) external checked {
        bytes memory call = abi.encodeCall(house.deposit, (pickAmount(amountSeed)));
        if (attempt(actor(account), call)) ++successes["deposit"];
    }

    function settle(uint256 channel, uint256 cumulativeSeed, uint256 forger) external checked {
        channel %= CHANNELS;
        (uint128 cumulative, bytes memory signature, bool isForged) =
            makeVoucher(channel, cumulativeSeed, forger);
        bytes memory call = abi.encodeCall(house.settle, (config(channel), cumulative, signature));
        if (!attempt(actor(forger), call)) return;
        if (isForged) broken = "settled with a forged voucher";
        ++successes["settle"];
    }

    function settleMany(uint256 seed) external checked {
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](6);
        for (uint256 i; i < rows.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 channel = seed % CHANNELS;
            (uint128 cumulative, bytes memory signature,) =
                makeVoucher(channel, seed >> 32, seed >> 200);
            rows[i] = IClearingHouse.Settlement(config(channel), cumulative, signature);
        }
        bool isDone = attempt(actor(seed), abi.encodeCall(house.settleMany, (rows)));
        if (!isDone) broken = "a row took its batch down";
        ++successes["settleMany"];
    }

    function close(uint256 channel, uint256 caller, uint256 cumulativeSeed, uint256 forger)
        external
        checked
    {
        channel %= CHANNELS;
        // Were channels closed as often as they are paid from, there would soon be none left.
        if (caller % 3 != 0) return;
        (uint128 cumulative, bytes memory signature, bool isForged) =
            makeVoucher(channel, cumulativeSeed, forger);
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = caller % 9 == 0 ? actor(caller / 9) : c.payee;
        if (!attempt(sender, abi.encodeCall(house.close, (c, cumulative, signature)))) return;
        if (sender != c.payee) broken = "closed without the payee";
        IClearingHouse.Channel memory last = _last[channel];
        bool isClaiming = cumulative > last.settled && last.settled < last.deposit;
        if (isForged && isClaiming) broken = "closed with a forged voucher";
        ++successes["close"];
    }

    function requestClose(uint256 channel, uint256 caller, uint256 how) external checked {
        channel %= CHANNELS;
        IClearingHouse.ChannelConfig memory c = config(channel);
        address sender = pickCaller(channel, caller);
        bytes memory call = abi.encodeCall(house.requestClose, (c));
        if (how % 2 == 0) {
            uint256 key = sender == c.payer ? keyOf(channel) : keyOf(channel + 1);
            uint256 held = _last[channel].deposit;
            bytes memory signature =
                signRequestClose(key, address(house), ids[channel], held, block.timestamp);
            call = abi.encodeCall(house.requestCloseWithSignature, (c, block.timestamp, signature));
        }
        if (!attempt(sender, call)) return;
        if (sender != c.payer) broken = "an exit without the payer";
        ++successes["requestClose"];
    }

    function finalizeClose(uint256 channel) external checked {
        channel %= CHANNELS;
        IClearingHouse.Channel memory last = _last[channel];
        bool isDue = last.status == IClearingHouse.Status.Open && last.exitRequestedAt != 0
            && block.timestamp >= last.exitRequestedAt + config(channel).delay;
        bool isDone =
            attempt(actor(channel + 1), abi.encodeCall(house.finalizeClose, (config(channel))));
        if (isDone && !isDue) broken = "an exit too early or never asked for";
        if (!isDone && isDue) broken = "an exit was held up";
        if (isDone) ++successes["finalizeClose"];
    }

    function withdraw(uint256 account, uint256 recipient, uint256 amountSeed, uint256 how)
        external
        checked
    {
        address from = actor(account);
        address to = actor(recipient);
        uint256 amount = bound(amountSeed, 1, house.balanceOf(from) + 1);
        bytes memory call = abi.encodeCall(house.withdraw, (to, amount));
        bool isForged = how % 6 == 1;
        if (how % 2 == 1) {
            bytes memory signature = signWithdraw(
                keyOf(isForged ? account + 1 : account),
                address(house),
                from,
                to,
                amount,
                house.nonces(from),
                block.timestamp
            );
            call = abi.encodeCall(
                house.withdrawWithSignature, (from, to, amount, block.timestamp, signature)
            );
        }
        if (!attempt(from, call)) return;
        if (isForged) broken = "withdrew with a forged signature";
        sent[from] += amount;
        received[to] += amount;
        ++successes["withdraw"];
    }

    function passTime(uint256 seconds_) external checked {
        vm.warp(block.timestamp + bound(seconds_, 1, 12 hours));
    }

    // ── Parts of actions ──

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

    /// Mostly the payer, sometimes anybody.
    function pickCaller(uint256 channel, uint256 caller) private view returns (address) {
        return caller % 4 == 0 ? actor(caller / 4) : actor(channel);
    }

    /// Mostly an amount that fits, sometimes nothing or too much.
    function pickAmount(uint256 seed) private pure returns (uint128) {
        if (seed % 16 == 0) return 0;
        if (seed % 16 == 1) return uint128(seed);
        return uint128(bound(seed, 1, FUNDS / 64));
    }

    function makeVoucher(uint256 channel, uint256 cumulativeSeed, uint256 forger)
        private
        returns (uint128 cumulative, bytes memory signature, bool isForged)
    {
        cumulative = cumulativeSeed % 16 == 0
            ? uint128(cumulativeSeed)
            : uint128(bound(cumulativeSeed, 0, FUNDS / 32));
        if (forger % 8 == 0) return (cumulative, "", true);
        isForged = forger % 8 == 1;
        uint256 key = isForged ? keyOf(forger / 8) : SIGNER_KEYS + channel;
        signature = signVoucher(key, address(house), ids[channel], cumulative);
        if (!isForged && cumulative > promised[channel]) promised[channel] = cumulative;
    }

    function signAuthorization(uint256 key, uint128 amount, bytes32 nonce)
        private
        view
        returns (bytes memory)
    {
        return signReceive(key, address(token), address(house), amount, 0, type(uint256).max, nonce);
    }
}
