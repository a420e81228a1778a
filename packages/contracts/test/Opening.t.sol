// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract OpeningTest is Fixture {
    bytes32 private constant SALT = "top-up";

    function expectOpened(uint256 deposit) private {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.ChannelOpened(id, payer, payee, config, deposit);
    }

    // ── Deploying ──

    function test_Constructor_RevertWhen_TokenHasNoCode() public {
        vm.expectRevert(IClearingHouse.InvalidToken.selector);
        deployHouse(stranger);
    }

    // ── open ──

    function test_Open() public {
        uint256 wallet = token.balanceOf(payer);
        expectOpened(DEPOSIT);
        vm.prank(payer);
        assertEq(house.open(config, DEPOSIT), id, "returned id");
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, 0);
        assertEq(token.balanceOf(payer), wallet - DEPOSIT, "wallet");
        assertEq(token.balanceOf(address(house)), DEPOSIT, "house");
    }

    function test_Open_AtTheBounds() public {
        vm.prank(payer);
        config.delay = 15 minutes;
        config.flags = 1;
        house.open(config, 1);
        config.delay = 30 days;
        vm.prank(payer);
        house.open(config, type(uint96).max);
        id = house.channelIdOf(config);
        assertChannel(type(uint96).max, 0, IClearingHouse.Status.Open, 0);
    }

    function test_Open_RevertWhen_CallerIsNotPayer() public {
        vm.expectRevert(IClearingHouse.NotPayer.selector);
        vm.prank(payee);
        house.open(config, DEPOSIT);
    }

    function expectNotOpenable(bytes4 reason) private {
        vm.expectRevert(reason);
        vm.prank(payer);
        house.open(config, DEPOSIT);
        vm.expectRevert(reason);
        vm.prank(payer);
        house.openFromBalance(config, DEPOSIT);
        vm.expectRevert(reason);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, "");
    }

    function test_Open_RevertWhen_SignerIsZero() public {
        config.signer = address(0);
        expectNotOpenable(IClearingHouse.InvalidParty.selector);
    }

    function test_Open_RevertWhen_PayeeIsZero() public {
        config.payee = address(0);
        expectNotOpenable(IClearingHouse.InvalidParty.selector);
    }

    function test_Open_RevertWhen_PayeeIsTheHouse() public {
        config.payee = address(house);
        expectNotOpenable(IClearingHouse.InvalidParty.selector);
    }

    function test_Open_RevertWhen_DelayIsTooShort() public {
        config.delay = 15 minutes - 1;
        expectNotOpenable(IClearingHouse.InvalidDelay.selector);
    }

    function test_Open_RevertWhen_DelayIsTooLong() public {
        config.delay = 30 days + 1;
        expectNotOpenable(IClearingHouse.InvalidDelay.selector);
    }

    function testFuzz_Open_RevertWhen_FlagIsUnknown(uint8 flags) public {
        vm.assume(flags > 1);
        config.flags = flags;
        expectNotOpenable(IClearingHouse.InvalidFlags.selector);
    }

    function test_Open_RevertWhen_ChannelIsOpen() public {
        openChannel();
        expectNotOpenable(IClearingHouse.ChannelExists.selector);
    }

    function test_Open_RevertWhen_ChannelWasClosed() public {
        openChannel();
        vm.prank(payee);
        house.close(config, 0, "");
        expectNotOpenable(IClearingHouse.ChannelExists.selector);
    }

    function test_Open_RevertWhen_AmountIsZero() public {
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        vm.prank(payer);
        house.open(config, 0);
    }

    function test_Open_RevertWhen_AmountExceedsWhatASlotHolds() public {
        vm.expectRevert(IClearingHouse.DepositTooLarge.selector);
        vm.prank(payer);
        house.open(config, uint128(type(uint96).max) + 1);
    }

    // ── openFromBalance ──

    function test_OpenFromBalance() public {
        putIntoLedger(payer, DEPOSIT + 5);
        expectOpened(DEPOSIT);
        vm.prank(payer);
        assertEq(house.openFromBalance(config, DEPOSIT), id, "returned id");
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payer), 5, "ledger");
    }

    function test_OpenFromBalance_RevertWhen_CallerIsNotPayer() public {
        putIntoLedger(payer, DEPOSIT);
        vm.expectRevert(IClearingHouse.NotPayer.selector);
        vm.prank(stranger);
        house.openFromBalance(config, DEPOSIT);
    }

    function test_OpenFromBalance_RevertWhen_BalanceIsShort() public {
        putIntoLedger(payer, DEPOSIT - 1);
        putIntoLedger(stranger, DEPOSIT);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        vm.prank(payer);
        house.openFromBalance(config, DEPOSIT);
    }

    // ── openWithAuthorization ──

    function test_OpenWithAuthorization() public {
        bytes memory signature = openAuthorization(DEPOSIT);
        uint256 wallet = token.balanceOf(payer);
        expectOpened(DEPOSIT);
        vm.prank(stranger);
        assertEq(
            house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, signature), id, "returned id"
        );
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, 0);
        assertEq(token.balanceOf(payer), wallet - DEPOSIT, "wallet");
    }

    function testFuzz_OpenWithAuthorization(uint128 amount, address signer, bytes32 salt) public {
        vm.assume(signer != address(0));
        amount = uint128(bound(amount, 1, type(uint96).max));
        (config.signer, config.salt) = (signer, salt);
        id = house.channelIdOf(config);
        bytes memory signature = openAuthorization(amount);
        house.openWithAuthorization(config, amount, 0, FOREVER, signature);
        assertChannel(amount, 0, IClearingHouse.Status.Open, 0);
    }

    // Whoever submits may try to put itself, a shorter delay or another amount in.
    function testFuzz_OpenWithAuthorization_RevertWhen_AnythingWasChanged(
        uint256 field,
        uint256 value
    ) public {
        bytes memory signature = openAuthorization(DEPOSIT);
        uint128 amount = DEPOSIT;
        uint256 validBefore = FOREVER;
        uint256 validAfter = 0;
        address other = address(uint160(bound(value, 1, type(uint160).max)));
        field = bound(field, 0, 7);
        if (field == 0) config.signer = other;
        if (field == 1) config.payee = other;
        if (field == 2) config.delay = uint40(bound(value, 15 minutes, 30 days));
        if (field == 3) config.flags = 1;
        if (field == 4) config.salt = bytes32(value);
        if (field == 5) amount = uint128(bound(value, 1, DEPOSIT));
        if (field == 6) validBefore = bound(value, START + 1, FOREVER);
        if (field == 7) validAfter = bound(value, 0, START - 1);
        vm.assume(
            house.channelIdOf(config) != id || amount != DEPOSIT || validBefore != FOREVER
                || validAfter != 0
        );
        vm.assume(config.payee != address(house));
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.openWithAuthorization(config, amount, validAfter, validBefore, signature);
    }

    function test_OpenWithAuthorization_RevertWhen_NotThePayersSignature() public {
        bytes memory signature = signReceive(
            STRANGER_KEY, address(token), address(house), DEPOSIT, 0, FOREVER, house.openNonce(id)
        );
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, signature);
    }

    function test_OpenWithAuthorization_RevertWhen_TopUpAuthorizationIsGiven() public {
        bytes memory signature = topUpAuthorization(DEPOSIT, SALT);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, signature);
    }

    // ── topUp ──

    function expectToppedUp(uint256 amount) private {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.ToppedUp(id, amount, DEPOSIT + amount);
    }

    function test_TopUp() public {
        openChannel();
        expectToppedUp(7);
        vm.prank(payer);
        house.topUp(config, 7);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, 0);
        assertEq(token.balanceOf(address(house)), DEPOSIT + 7, "house");
    }

    function test_TopUp_CallsOffPendingExit() public {
        openChannel();
        vm.prank(payer);
        house.requestClose(config);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.CloseCancelled(id);
        vm.prank(payer);
        house.topUp(config, 7);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, 0);
        vm.warp(START + DELAY);
        vm.expectRevert(IClearingHouse.ExitNotRequested.selector);
        house.finalizeClose(config);
    }

    function expectNoTopUp(address caller, uint128 amount, bytes4 reason) private {
        vm.expectRevert(reason);
        vm.prank(caller);
        house.topUp(config, amount);
        vm.expectRevert(reason);
        vm.prank(caller);
        house.topUpFromBalance(config, amount);
    }

    function test_TopUp_RevertWhen_CallerIsNotPayer() public {
        openChannel();
        expectNoTopUp(payee, 7, IClearingHouse.NotPayer.selector);
    }

    function test_TopUp_RevertWhen_NeverOpened() public {
        expectNoTopUp(payer, 7, IClearingHouse.ChannelNotOpen.selector);
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.topUpWithAuthorization(config, 7, SALT, 0, FOREVER, "");
    }

    function test_TopUp_RevertWhen_Closed() public {
        openChannel();
        bytes memory signature = topUpAuthorization(7, SALT);
        vm.prank(payee);
        house.close(config, 0, "");
        expectNoTopUp(payer, 7, IClearingHouse.ChannelNotOpen.selector);
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.topUpWithAuthorization(config, 7, SALT, 0, FOREVER, signature);
    }

    function test_TopUp_RevertWhen_AmountIsZero() public {
        openChannel();
        expectNoTopUp(payer, 0, IClearingHouse.ZeroAmount.selector);
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        house.topUpWithAuthorization(config, 0, SALT, 0, FOREVER, "");
    }

    function test_TopUp_RevertWhen_DepositWouldExceedWhatASlotHolds() public {
        openChannel();
        uint128 amount = type(uint96).max - DEPOSIT + 1;
        expectNoTopUp(payer, amount, IClearingHouse.DepositTooLarge.selector);
        vm.expectRevert(IClearingHouse.DepositTooLarge.selector);
        house.topUpWithAuthorization(config, amount, SALT, 0, FOREVER, "");
        vm.prank(payer);
        house.topUp(config, amount - 1);
        assertChannel(type(uint96).max, 0, IClearingHouse.Status.Open, 0);
    }

    function test_TopUpFromBalance() public {
        openChannel();
        putIntoLedger(payer, 9);
        expectToppedUp(7);
        vm.prank(payer);
        house.topUpFromBalance(config, 7);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payer), 2, "ledger");
    }

    function test_TopUpFromBalance_RevertWhen_BalanceIsShort() public {
        openChannel();
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        vm.prank(payer);
        house.topUpFromBalance(config, 1);
    }

    function test_TopUpWithAuthorization() public {
        openChannel();
        bytes memory signature = topUpAuthorization(7, SALT);
        expectToppedUp(7);
        vm.prank(stranger);
        house.topUpWithAuthorization(config, 7, SALT, 0, FOREVER, signature);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, 0);
        vm.expectRevert(DevToken.AuthorizationSpent.selector);
        house.topUpWithAuthorization(config, 7, SALT, 0, FOREVER, signature);
    }

    // An authorisation that somebody kept must not undo an exit that was asked for after it was
    // signed.
    function test_TopUpWithAuthorization_RevertWhen_ExitIsPending() public {
        openChannel();
        bytes memory signature = topUpAuthorization(7, SALT);
        vm.prank(payer);
        house.requestClose(config);
        vm.expectRevert(IClearingHouse.ExitPending.selector);
        vm.prank(payee);
        house.topUpWithAuthorization(config, 7, SALT, 0, FOREVER, signature);
    }

    function testFuzz_TopUpWithAuthorization_RevertWhen_AnythingWasChanged(
        uint128 amount,
        bytes32 salt,
        bool isOtherChannel
    ) public {
        amount = uint128(bound(amount, 1, type(uint96).max - DEPOSIT));
        vm.assume(amount != 7 || salt != SALT || isOtherChannel);
        openChannel();
        bytes memory signature = topUpAuthorization(7, SALT);
        if (isOtherChannel) {
            config.salt = "other";
            openChannel();
        }
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.topUpWithAuthorization(config, amount, salt, 0, FOREVER, signature);
    }

    // ── deposit ──

    function test_Deposit() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Deposited(payer, 9);
        vm.prank(payer);
        house.deposit(9);
        assertEq(house.balanceOf(payer), 9, "ledger");
        assertEq(token.balanceOf(address(house)), 9, "house");
    }

    function test_Deposit_RevertWhen_AmountIsZero() public {
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        vm.prank(payer);
        house.deposit(0);
    }
}
