// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract SettingOffTest is Fixture {
    uint256 private constant ACCOUNT_KEYS = 100;
    uint256 private constant SIGNER_KEYS = 200;
    uint256 private constant CURVE_ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint128 private constant OWED = 300;

    address[] private accounts;
    IClearingHouse.ChannelConfig[] private configs;
    bytes32[] private ids;
    uint256 private _rings;

    /// Three accounts that owe each other in a ring: 0 owes 1, 1 owes 2, 2 owes 0.
    function setUp() public override {
        super.setUp();
        openRing(3);
    }

    function openRing(uint256 size) private {
        delete accounts;
        delete configs;
        delete ids;
        for (uint256 i; i < size; ++i) {
            accounts.push(vm.addr(ACCOUNT_KEYS + i));
            putIntoLedger(accounts[i], 2 * DEPOSIT);
        }
        for (uint256 i; i < size; ++i) {
            addChannel(i, (i + 1) % size, bytes32(++_rings));
        }
    }

    function addChannel(uint256 from, uint256 to, bytes32 salt) private {
        configs.push(
            IClearingHouse.ChannelConfig({
                payer: accounts[from],
                signer: vm.addr(SIGNER_KEYS + from),
                payee: accounts[to],
                delay: DELAY,
                flags: 1,
                salt: salt
            })
        );
        vm.prank(accounts[from]);
        ids.push(house.openFromBalance(configs[configs.length - 1], DEPOSIT));
    }

    function keyOf(uint256 base, address account) private view returns (uint256) {
        uint256 i;
        while (accounts[i] != account) ++i;
        return base + i;
    }

    function debtOf(uint256 channel, uint128 cumulative)
        private
        view
        returns (IClearingHouse.Debt memory)
    {
        return IClearingHouse.Debt({
            config: configs[channel],
            cumulativeAmount: cumulative,
            deadline: START,
            voucher: compact(voucherOf(channel, cumulative)),
            acknowledgement: compact(
                signAcknowledgement(
                    keyOf(ACCOUNT_KEYS, configs[channel].payee),
                    address(house),
                    ids[channel],
                    cumulative,
                    START
                )
            )
        });
    }

    function voucherOf(uint256 channel, uint128 cumulative) private view returns (bytes memory) {
        uint256 key = keyOf(SIGNER_KEYS, configs[channel].payer);
        return signVoucher(key, address(house), ids[channel], cumulative);
    }

    function ringOf(uint128 cumulative) private view returns (IClearingHouse.Debt[] memory ring) {
        ring = new IClearingHouse.Debt[](accounts.length);
        for (uint256 i; i < ring.length; ++i) {
            ring[i] = debtOf(i, cumulative);
        }
    }

    function expectRefused(IClearingHouse.Debt[] memory ring, uint128 amount, bytes memory answer)
        private
    {
        bytes32 before = moneyHash();
        vm.expectRevert(answer);
        vm.prank(stranger);
        house.setOff(ring, amount);
        assertEq(moneyHash(), before, "a refused set-off left something behind");
    }

    function expectRefused(IClearingHouse.Debt[] memory ring, uint128 amount, bytes4 reason)
        private
    {
        expectRefused(ring, amount, abi.encodeWithSelector(reason));
    }

    function expectNotOwed(IClearingHouse.Debt[] memory ring, uint128 amount, uint256 channel)
        private
    {
        bytes4 selector = IClearingHouse.NotOwed.selector;
        expectRefused(ring, amount, abi.encodeWithSelector(selector, ids[channel]));
    }

    function moneyHash() private view returns (bytes32) {
        return keccak256(abi.encode(house.channels(ids), ledgers()));
    }

    function ledgers() private view returns (uint256[] memory balances) {
        balances = new uint256[](accounts.length);
        for (uint256 i; i < balances.length; ++i) {
            balances[i] = house.balanceOf(accounts[i]);
        }
    }

    function assertState(uint256 channel, uint256 deposit, uint256 settled) private {
        id = ids[channel];
        assertChannel(deposit, settled, IClearingHouse.Status.Open, 0);
    }

    // ── What it does ──

    function test_SetOff_ARingOfThree() public {
        bytes32 balances = keccak256(abi.encode(ledgers()));
        uint256 holdings = token.balanceOf(address(house));
        for (uint256 i; i < 3; ++i) {
            vm.expectEmit(true, true, true, true, address(house));
            emit IClearingHouse.SetOff(ids[i], 200, 200, DEPOSIT + 200);
        }
        vm.prank(stranger);
        house.setOff(ringOf(OWED), 200);
        for (uint256 i; i < 3; ++i) {
            assertState(i, DEPOSIT + 200, 200);
        }
        assertEq(keccak256(abi.encode(ledgers())), balances, "ledger");
        assertEq(token.balanceOf(address(house)), holdings, "house");
    }

    function test_SetOff_APair() public {
        openRing(2);
        house.setOff(ringOf(OWED), OWED);
        assertState(0, DEPOSIT + OWED, OWED);
        assertState(1, DEPOSIT + OWED, OWED);
    }

    function test_SetOff_WhatIsCancelledCountsAsSettled() public {
        house.setOff(ringOf(OWED), 200);
        assertEq(house.settle(configs[0], OWED, voucherOf(0, OWED)), 100, "amount");
        assertEq(house.balanceOf(accounts[1]), DEPOSIT + 100, "payee");
    }

    function test_SetOff_GoesOnFromWhatWasSettled() public {
        house.settle(configs[1], 50, voucherOf(1, 50));
        house.setOff(ringOf(OWED), 250);
        assertState(0, DEPOSIT + 250, 250);
        assertState(1, DEPOSIT + 250, 300);
    }

    function test_SetOff_MayGoThroughAnAccountTwice() public {
        addChannel(0, 2, "back");
        addChannel(2, 0, "and forth");
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](5);
        (ring[0], ring[1], ring[2]) = (debtOf(0, OWED), debtOf(1, OWED), debtOf(2, OWED));
        (ring[3], ring[4]) = (debtOf(3, OWED), debtOf(4, OWED));
        house.setOff(ring, OWED);
        for (uint256 i; i < 5; ++i) {
            assertState(i, DEPOSIT + OWED, OWED);
        }
    }

    function test_SetOff_ACoveredChannelMayStandInItTwice() public {
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](6);
        for (uint256 i; i < 6; ++i) {
            ring[i] = debtOf(i % 3, OWED);
        }
        house.setOff(ring, 150);
        for (uint256 i; i < 3; ++i) {
            assertState(i, DEPOSIT + 300, 300);
        }
        expectNotOwed(ringOf(OWED), 1, 0);
    }

    // The exit is neither called off nor put off, and its signed form stays good.
    function test_SetOff_LeavesAnExitAlone() public {
        vm.prank(accounts[0]);
        house.requestClose(configs[0]);
        uint256 key = keyOf(ACCOUNT_KEYS, accounts[1]);
        bytes memory wish = signRequestClose(key, address(house), ids[1], 0, FOREVER);
        house.setOff(ringOf(OWED), 200);
        id = ids[0];
        assertChannel(DEPOSIT + 200, 200, IClearingHouse.Status.Open, START);
        house.requestCloseWithSignature(configs[1], FOREVER, wish);
        vm.warp(START + DELAY);
        uint256 before = house.balanceOf(accounts[0]);
        house.finalizeClose(configs[0]);
        assertEq(house.balanceOf(accounts[0]) - before, DEPOSIT, "refund");
        house.finalizeClose(configs[1]);
    }

    /// The reason why it is safe: it is nothing that settling and topping up could not do.
    function testFuzz_SetOff_IsSettlingAndToppingUp(
        uint256 size,
        uint128 cumulative,
        uint128 amount,
        uint128 before
    ) public {
        size = bound(size, 2, 6);
        openRing(size);
        cumulative = uint128(bound(cumulative, 2, 2 * DEPOSIT));
        before = uint128(bound(before, 0, (cumulative < DEPOSIT ? cumulative : DEPOSIT) - 1));
        uint256 most = (cumulative < DEPOSIT ? cumulative : DEPOSIT) - before;
        amount = uint128(bound(amount, 1, most));
        if (before != 0) house.settle(configs[0], before, voucherOf(0, before));
        uint256 state = vm.snapshotState();

        house.setOff(ringOf(cumulative), amount);
        bytes32 bySetOff = moneyHash();

        vm.revertToState(state);
        for (uint256 i; i < size; ++i) {
            uint128 upTo = uint128(house.channel(ids[i]).settled) + amount;
            assertEq(house.settle(configs[i], upTo, voucherOf(i, upTo)), amount, "settled");
        }
        for (uint256 i; i < size; ++i) {
            vm.prank(accounts[i]);
            house.topUpFromBalance(configs[i], amount);
        }
        assertEq(moneyHash(), bySetOff, "not the same");
    }

    // ── What it refuses ──

    function test_SetOff_RevertWhen_AmountIsZero() public {
        expectRefused(ringOf(OWED), 0, IClearingHouse.ZeroAmount.selector);
    }

    function test_SetOff_RevertWhen_FewerThanTwo() public {
        expectRefused(new IClearingHouse.Debt[](0), 1, IClearingHouse.NotARing.selector);
        configs[0].payee = accounts[0];
        configs[0].salt = "to itself";
        vm.prank(accounts[0]);
        ids[0] = house.openFromBalance(configs[0], 10);
        IClearingHouse.Debt[] memory one = new IClearingHouse.Debt[](1);
        one[0] = debtOf(0, 10);
        expectRefused(one, 1, IClearingHouse.NotARing.selector);
    }

    function test_SetOff_RevertWhen_TheRingIsBroken() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        (ring[0], ring[1]) = (ring[1], ring[0]);
        expectRefused(ring, 1, IClearingHouse.NotARing.selector);
        IClearingHouse.Debt[] memory open_ = new IClearingHouse.Debt[](2);
        (open_[0], open_[1]) = (ring[1], ring[0]);
        expectRefused(open_, 1, IClearingHouse.NotARing.selector);
    }

    function test_SetOff_RevertWhen_AChannelDoesNotAllowIt() public {
        configs[1].flags = 0;
        vm.prank(accounts[1]);
        ids[1] = house.openFromBalance(configs[1], DEPOSIT);
        expectRefused(ringOf(OWED), 1, IClearingHouse.SetOffNotAllowed.selector);
    }

    function test_SetOff_RevertWhen_AnAcknowledgementIsOver() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        vm.warp(START + 1);
        expectRefused(ring, 1, IClearingHouse.SignatureExpired.selector);
    }

    function test_SetOff_RevertWhen_AChannelIsNotOpen() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        vm.prank(accounts[2]);
        house.close(configs[1], 0, "");
        expectRefused(ring, 1, IClearingHouse.ChannelNotOpen.selector);
        ring[0].config.salt = "never opened";
        expectRefused(ring, 1, IClearingHouse.ChannelNotOpen.selector);
    }

    function test_SetOff_RevertWhen_MoreThanIsOwed() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        expectNotOwed(ring, OWED + 1, 0);
        ring[1] = debtOf(1, OWED - 1);
        expectNotOwed(ring, OWED, 1);
        expectNotOwed(ring, type(uint128).max, 0);
    }

    // What nothing covers cannot be set off against what is covered.
    function test_SetOff_RevertWhen_MoreThanADepositCovers() public {
        expectNotOwed(ringOf(DEPOSIT + 5), DEPOSIT + 1, 0);
    }

    function test_SetOff_RevertWhen_Replayed() public {
        house.setOff(ringOf(OWED), OWED);
        expectNotOwed(ringOf(OWED), OWED, 0);
        expectNotOwed(ringOf(OWED), 1, 0);
    }

    // Somebody settles one of the debts first: then nothing is set off, and nothing is lost.
    function test_SetOff_RevertWhen_ADebtWasSettledMeanwhile() public {
        house.settle(configs[2], OWED, voucherOf(2, OWED));
        expectNotOwed(ringOf(OWED), OWED, 2);
    }

    function test_SetOff_RevertWhen_TheSlotIsFull() public {
        uint128 rest = type(uint96).max - DEPOSIT - 100;
        putIntoLedger(accounts[1], rest);
        vm.prank(accounts[1]);
        house.topUpFromBalance(configs[1], rest);
        expectRefused(ringOf(OWED), 101, IClearingHouse.DepositTooLarge.selector);
        house.setOff(ringOf(OWED), 100);
        assertState(1, type(uint96).max, 100);
        expectRefused(ringOf(OWED), 1, IClearingHouse.DepositTooLarge.selector);
        // Whoever wants its money still gets it.
        assertEq(house.settle(configs[1], OWED, voucherOf(1, OWED)), OWED - 100, "settled");
        vm.prank(accounts[2]);
        house.close(configs[1], 0, "");
    }

    // ── Signatures ──

    function expectForged(IClearingHouse.Debt[] memory ring) private {
        expectRefused(ring, 1, IClearingHouse.InvalidSignature.selector);
    }

    function test_SetOff_RevertWhen_AVoucherIsNotTheSigners() public {
        uint256[3] memory keys = [ACCOUNT_KEYS, ACCOUNT_KEYS + 1, STRANGER_KEY];
        for (uint256 i; i < keys.length; ++i) {
            IClearingHouse.Debt[] memory ring = ringOf(OWED);
            ring[0].voucher = compact(signVoucher(keys[i], address(house), ids[0], OWED));
            expectForged(ring);
        }
    }

    function test_SetOff_RevertWhen_AnAcknowledgementIsNotThePayees() public {
        uint256[4] memory keys = [SIGNER_KEYS, SIGNER_KEYS + 1, ACCOUNT_KEYS, STRANGER_KEY];
        for (uint256 i; i < keys.length; ++i) {
            IClearingHouse.Debt[] memory ring = ringOf(OWED);
            ring[0].acknowledgement =
                compact(signAcknowledgement(keys[i], address(house), ids[0], OWED, START));
            expectForged(ring);
        }
    }

    function test_SetOff_RevertWhen_SignaturesAreSwapped() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        (ring[0].voucher, ring[0].acknowledgement) = (ring[0].acknowledgement, ring[0].voucher);
        expectForged(ring);
    }

    function test_SetOff_RevertWhen_SignaturesAreOfAnotherChannel() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        ring[0].voucher = ring[1].voucher;
        expectForged(ring);
        ring = ringOf(OWED);
        ring[0].acknowledgement = ring[1].acknowledgement;
        expectForged(ring);
    }

    function testFuzz_SetOff_RevertWhen_AmountOrDeadlineWasChanged(uint128 total, uint256 deadline)
        public
    {
        total = uint128(bound(total, 1, type(uint128).max));
        deadline = bound(deadline, START, FOREVER);
        vm.assume(total != OWED || deadline != START);
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        (ring[0].cumulativeAmount, ring[0].deadline) = (total, deadline);
        expectForged(ring);
        // Nor when the voucher is right and the payee acknowledged something else.
        ring[0].voucher = compact(voucherOf(0, total));
        expectForged(ring);
    }

    function testFuzz_SetOff_RevertWhen_AnotherKeySigned(uint256 key, bool isVoucher) public {
        key = bound(key, 1, CURVE_ORDER - 1);
        vm.assume(key != SIGNER_KEYS && key != ACCOUNT_KEYS + 1);
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        if (isVoucher) {
            ring[0].voucher = compact(signVoucher(key, address(house), ids[0], OWED));
        } else {
            ring[0].acknowledgement =
                compact(signAcknowledgement(key, address(house), ids[0], OWED, START));
        }
        expectForged(ring);
    }

    function testFuzz_SetOff_RevertWhen_ABitWasChanged(uint8 bit, bool isVoucher, bool isR) public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        bytes32 mask = bytes32(uint256(1) << bit);
        IClearingHouse.CompactSignature memory signature =
            isVoucher ? ring[1].voucher : ring[1].acknowledgement;
        if (isR) signature.r ^= mask;
        else signature.vs ^= mask;
        expectForged(ring);
    }

    // Of the twins (s and order - s) the compact form cannot even write most; what it can is
    // refused.
    function test_SetOff_RevertWhen_TheSignatureHasAHighS() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        ring[0].voucher.vs = bytes32(CURVE_ORDER / 2 + 1);
        expectForged(ring);
    }

    function test_SetOff_RevertWhen_SignedForAnotherContract() public {
        IClearingHouse first = house;
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        house = deployHouse(address(token));
        delete ids;
        for (uint256 i; i < 3; ++i) {
            putIntoLedger(accounts[i], DEPOSIT);
            vm.prank(accounts[i]);
            ids.push(house.openFromBalance(configs[i], DEPOSIT));
        }
        expectForged(ring);
        house.setOff(ringOf(OWED), OWED);
        first.setOff(ring, OWED);
    }

    function test_SetOff_RevertWhen_SignedOnAnotherChain() public {
        IClearingHouse.Debt[] memory ring = ringOf(OWED);
        vm.chainId(block.chainid + 1);
        expectForged(ring);
        house.setOff(ringOf(OWED), OWED);
    }
}
