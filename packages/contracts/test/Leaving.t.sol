// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract LeavingTest is Fixture {
    uint256 private constant BALANCE = 50e6;

    function setUp() public override {
        super.setUp();
        putIntoLedger(payee, BALANCE);
    }

    function signFor(address to, uint256 amount, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        return signWithdraw(PAYEE_KEY, address(house), payee, to, amount, freely(deadline), nonce);
    }

    // ── withdraw ──

    function test_Withdraw() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Withdrawn(payee, stranger, 20e6);
        vm.prank(payee);
        house.withdraw(stranger, 20e6);
        assertEq(house.balanceOf(payee), 30e6, "ledger");
        assertEq(token.balanceOf(stranger), 20e6, "wallet");
        assertEq(token.balanceOf(address(house)), 30e6, "house");
    }

    function test_Withdraw_WhatWasSettled() public {
        openChannel();
        house.settle(config, 100, voucher(100));
        vm.prank(payee);
        house.withdraw(payee, BALANCE + 100);
        assertEq(token.balanceOf(payee), BALANCE + 100, "wallet");
    }

    function test_Withdraw_RevertWhen_BalanceIsShort() public {
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        vm.prank(payee);
        house.withdraw(payee, BALANCE + 1);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        vm.prank(stranger);
        house.withdraw(stranger, 1);
    }

    function test_Withdraw_RevertWhen_AmountIsZero() public {
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        vm.prank(payee);
        house.withdraw(payee, 0);
    }

    function test_Withdraw_RevertWhen_RecipientIsZeroOrTheHouse() public {
        address[2] memory recipients = [address(0), address(house)];
        for (uint256 i; i < recipients.length; ++i) {
            vm.expectRevert(IClearingHouse.InvalidRecipient.selector);
            vm.prank(payee);
            house.withdraw(recipients[i], 1);
        }
    }

    // ── withdrawWithSignature ──

    function test_WithdrawWithSignature() public {
        bytes memory signature = signFor(payer, 20e6, 0, START);
        uint256 wallet = token.balanceOf(payer);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Withdrawn(payee, payer, 20e6);
        vm.prank(stranger);
        house.withdrawWithSignature(payee, payer, 20e6, freely(START), signature);
        assertEq(house.balanceOf(payee), 30e6, "ledger");
        assertEq(token.balanceOf(payer), wallet + 20e6, "wallet");
        assertEq(house.nonces(payee), 1, "nonce");
    }

    function test_WithdrawWithSignature_RevertWhen_Replayed() public {
        bytes memory signature = signFor(payee, 20e6, 0, FOREVER);
        house.withdrawWithSignature(payee, payee, 20e6, freely(FOREVER), signature);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(payee, payee, 20e6, freely(FOREVER), signature);
    }

    function test_WithdrawWithSignature_RevertWhen_DeadlineIsOver() public {
        bytes memory signature = signFor(payee, 20e6, 0, START);
        vm.warp(START + 1);
        vm.expectRevert(IClearingHouse.SignatureExpired.selector);
        house.withdrawWithSignature(payee, payee, 20e6, freely(START), signature);
    }

    function test_WithdrawWithSignature_RevertWhen_BalanceIsShort() public {
        bytes memory signature = signFor(payee, BALANCE + 1, 0, START);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        house.withdrawWithSignature(payee, payee, BALANCE + 1, freely(START), signature);
        assertEq(house.nonces(payee), 0, "a failed withdrawal uses no nonce");
    }

    function testFuzz_WithdrawWithSignature(address to, uint256 amount, uint256 deadline) public {
        vm.assume(to != address(0) && to != address(house) && to != payer);
        amount = bound(amount, 1, BALANCE);
        deadline = bound(deadline, START, FOREVER);
        house.withdrawWithSignature(
            payee, to, amount, freely(deadline), signFor(to, amount, 0, deadline)
        );
        assertEq(token.balanceOf(to), amount, "wallet");
        assertEq(house.balanceOf(payee), BALANCE - amount, "ledger");
    }

    function testFuzz_WithdrawWithSignature_RevertWhen_AnythingWasChanged(
        address account,
        address to,
        uint256 amount,
        uint256 nonce,
        IClearingHouse.Relay memory relay
    ) public {
        vm.assume(account != payee || to != payee || amount != 1 || nonce != 0 || relay.fee != 0);
        bytes memory signature =
            signWithdraw(PAYEE_KEY, address(house), account, to, amount, relay, nonce);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(payee, payee, 1, freely(START), signature);
    }

    function testFuzz_WithdrawWithSignature_RevertWhen_NotTheAccounts(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PAYEE_KEY);
        bytes memory signature =
            signWithdraw(key, address(house), payee, payee, 1, freely(START), 0);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(payee, payee, 1, freely(START), signature);
    }

    function test_WithdrawWithSignature_RevertWhen_RelayerOrDeadlineWasChanged() public {
        bytes memory signature = signFor(payee, 1, 0, START);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(payee, payee, 1, freely(START + 1), signature);
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(stranger, 0, START);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(payee, payee, 1, relay, signature);
    }

    function test_WithdrawWithSignature_PaysTheRelayerThatWasNamed() public {
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(stranger, 3, START);
        bytes memory signature =
            signWithdraw(PAYEE_KEY, address(house), payee, payee, BALANCE - 3, relay, 0);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.FeePaid(payee, stranger, 3);
        // Whoever copies it out of the queue works for the relayer.
        vm.prank(payer);
        house.withdrawWithSignature(payee, payee, BALANCE - 3, relay, signature);
        assertEq(token.balanceOf(payee), BALANCE - 3, "wallet");
        assertEq(house.balanceOf(stranger), 3, "relayer");
        assertEq(house.balanceOf(payee), 0, "ledger");
    }

    function test_WithdrawWithSignature_RevertWhen_TheFeeDoesNotFitIn() public {
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(stranger, 4, START);
        bytes memory signature =
            signWithdraw(PAYEE_KEY, address(house), payee, payee, BALANCE - 3, relay, 0);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        house.withdrawWithSignature(payee, payee, BALANCE - 3, relay, signature);
    }

    function test_WithdrawWithSignature_RevertWhen_TheFeeIsNobodys() public {
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(address(0), 1, START);
        bytes memory signature = signWithdraw(PAYEE_KEY, address(house), payee, payee, 1, relay, 0);
        vm.expectRevert(IClearingHouse.InvalidRecipient.selector);
        house.withdrawWithSignature(payee, payee, 1, relay, signature);
    }

    function test_WithdrawWithSignature_RevertWhen_AccountIsZero() public {
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.withdrawWithSignature(address(0), payee, 1, freely(START), new bytes(65));
    }
}
