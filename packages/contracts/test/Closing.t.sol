// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract ClosingTest is Fixture {
    /// Where the contract's storage has its channels.
    uint256 private constant CHANNELS_SLOT = 4;

    function setUp() public override {
        super.setUp();
        openChannel();
    }

    function expectClosed(uint256 refund) private {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Closed(id, refund);
    }

    function requestClose() private {
        vm.prank(payer);
        house.requestClose(config);
    }

    function assertClosed(uint256 settled) private view {
        assertChannel(DEPOSIT, settled, IClearingHouse.Status.Closed, 0);
        assertEq(house.balanceOf(payee), settled, "payee");
        assertEq(house.balanceOf(payer), DEPOSIT - settled, "payer");
    }

    // ── close ──

    function test_Close() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Settled(id, payee, 100, 100);
        expectClosed(DEPOSIT - 100);
        vm.prank(payee);
        house.close(config, 100, voucher(100));
        assertClosed(100);
    }

    function test_Close_GivingUpTheRestNeedsNoSignature() public {
        house.settle(config, 100, voucher(100));
        vm.prank(payee);
        house.close(config, 100, "");
        assertClosed(100);
    }

    function test_Close_WhenAStrangerSettledTheSameVoucherFirst() public {
        bytes memory signature = voucher(100);
        vm.prank(stranger);
        house.settle(config, 100, signature);
        vm.prank(payee);
        house.close(config, 100, signature);
        assertClosed(100);
    }

    function test_Close_WithAVoucherAboveTheDeposit() public {
        vm.prank(payee);
        house.close(config, DEPOSIT + 1, voucher(DEPOSIT + 1));
        assertClosed(DEPOSIT);
    }

    function test_Close_WithAVoucherAboveADepositThatIsUsedUp() public {
        house.settle(config, DEPOSIT, voucher(DEPOSIT));
        vm.prank(payee);
        house.close(config, DEPOSIT + 1, voucher(DEPOSIT + 1));
        assertClosed(DEPOSIT);
    }

    function test_Close_DuringExitDelay() public {
        requestClose();
        vm.prank(payee);
        house.close(config, 100, voucher(100));
        assertClosed(100);
        vm.warp(START + DELAY);
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.finalizeClose(config);
    }

    function testFuzz_Close(uint128 deposit, uint128 before, uint128 last) public {
        deposit = uint128(bound(deposit, 1, type(uint96).max));
        config.salt = "fuzz";
        id = house.channelIdOf(config);
        vm.prank(payer);
        house.open(config, deposit);
        if (before != 0) house.settle(config, before, voucher(before));
        vm.prank(payee);
        house.close(config, last, voucher(last));
        uint256 most = before > last ? before : last;
        uint256 settled = most < deposit ? most : deposit;
        assertChannel(deposit, settled, IClearingHouse.Status.Closed, 0);
        assertEq(house.balanceOf(payee), settled, "payee");
        assertEq(house.balanceOf(payer), deposit - settled, "payer");
    }

    function test_Close_RevertWhen_CallerIsNotPayee() public {
        bytes memory signature = voucher(100);
        address[2] memory callers = [payer, stranger];
        for (uint256 i; i < callers.length; ++i) {
            vm.expectRevert(IClearingHouse.NotPayee.selector);
            vm.prank(callers[i]);
            house.close(config, 100, signature);
        }
    }

    function test_Close_RevertWhen_NotOpen() public {
        vm.prank(payee);
        house.close(config, 0, "");
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        vm.prank(payee);
        house.close(config, 0, "");
        config.salt = "unknown";
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        vm.prank(payee);
        house.close(config, 0, "");
    }

    function test_Close_RevertWhen_VoucherIsNotTheSigners() public {
        bytes memory signature = signVoucher(PAYEE_KEY, address(house), id, 100);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        vm.prank(payee);
        house.close(config, 100, signature);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        vm.prank(payee);
        house.close(config, 1, "");
    }

    // ── requestClose ──

    function test_RequestClose() public {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.CloseRequested(id, START + DELAY);
        requestClose();
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, START);
    }

    function test_RequestClose_AgainAfterATopUp() public {
        requestClose();
        vm.prank(payer);
        house.topUp(config, 1);
        vm.warp(START + 10);
        requestClose();
        assertChannel(DEPOSIT + 1, 0, IClearingHouse.Status.Open, START + 10);
    }

    function test_RequestClose_RevertWhen_CallerIsNotPayer() public {
        address[2] memory callers = [payee, stranger];
        for (uint256 i; i < callers.length; ++i) {
            vm.expectRevert(IClearingHouse.NotPayer.selector);
            vm.prank(callers[i]);
            house.requestClose(config);
        }
    }

    function test_RequestClose_RevertWhen_NotOpen() public {
        config.salt = "unknown";
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        requestClose();
    }

    function test_RequestClose_RevertWhen_ExitIsPending() public {
        requestClose();
        vm.expectRevert(IClearingHouse.ExitPending.selector);
        requestClose();
    }

    // ── requestCloseWithSignature ──

    function test_RequestCloseWithSignature() public {
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, START);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.CloseRequested(id, START + DELAY);
        vm.prank(stranger);
        house.requestCloseWithSignature(config, START, signature);
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, START);
    }

    function test_RequestCloseWithSignature_RevertWhen_Replayed() public {
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, FOREVER);
        house.requestCloseWithSignature(config, FOREVER, signature);
        vm.expectRevert(IClearingHouse.ExitPending.selector);
        house.requestCloseWithSignature(config, FOREVER, signature);
        vm.prank(payer);
        house.topUp(config, 1);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.requestCloseWithSignature(config, FOREVER, signature);
    }

    // Somebody holds a top-up that the payer signed long ago, and would void its wish to leave.
    function test_RequestCloseWithSignature_HoldsAfterARelayedTopUp() public {
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, START);
        bytes memory kept = topUpAuthorization(7, "kept");
        vm.prank(payee);
        house.topUpWithAuthorization(config, 7, "kept", 0, FOREVER, kept);
        house.requestCloseWithSignature(config, START, signature);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, START);
    }

    // There are 16 bits for how often an exit was called off; then a payer can only leave.
    function test_TopUp_RevertWhen_AnExitWasCalledOffTooOften() public {
        requestClose();
        bytes32 slot = keccak256(abi.encode(id, CHANNELS_SLOT));
        uint256 state = uint256(vm.load(address(house), slot));
        vm.store(address(house), slot, bytes32(state | (uint256(type(uint16).max) << 240)));
        assertEq(house.channel(id).cancelledExits, type(uint16).max, "the slot is another");
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        vm.prank(payer);
        house.topUp(config, 1);
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        assertClosed(0);
    }

    function test_RequestCloseWithSignature_RevertWhen_DeadlineIsOver() public {
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, START);
        vm.warp(START + 1);
        vm.expectRevert(IClearingHouse.SignatureExpired.selector);
        house.requestCloseWithSignature(config, START, signature);
    }

    function test_RequestCloseWithSignature_RevertWhen_NotOpen() public {
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, START);
        vm.prank(payee);
        house.close(config, 0, "");
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.requestCloseWithSignature(config, START, signature);
    }

    function testFuzz_RequestCloseWithSignature_RevertWhen_NotThePayers(
        uint256 key,
        uint256 deadline
    ) public {
        key = bound(key, 1, type(uint128).max);
        deadline = bound(deadline, START, FOREVER);
        vm.assume(key != PAYER_KEY);
        bytes memory signature = signRequestClose(key, address(house), id, 0, deadline);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.requestCloseWithSignature(config, deadline, signature);
    }

    function testFuzz_RequestCloseWithSignature_RevertWhen_AnythingWasChanged(
        uint256 cancelledExits,
        uint256 deadline,
        bool isOtherChannel
    ) public {
        vm.assume(cancelledExits != 0 || deadline != START || isOtherChannel);
        bytes memory signature =
            signRequestClose(PAYER_KEY, address(house), id, cancelledExits, deadline);
        if (isOtherChannel) {
            config.salt = "other";
            openChannel();
        }
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.requestCloseWithSignature(config, START, signature);
    }

    // ── finalizeClose ──

    function test_FinalizeClose() public {
        requestClose();
        house.settle(config, 100, voucher(100));
        vm.warp(START + DELAY);
        expectClosed(DEPOSIT - 100);
        vm.prank(stranger);
        house.finalizeClose(config);
        assertClosed(100);
    }

    function testFuzz_FinalizeClose(uint40 delay, uint256 elapsed) public {
        config.delay = delay = uint40(bound(delay, 15 minutes, 30 days));
        config.salt = "fuzz";
        id = house.channelIdOf(config);
        openChannel();
        requestClose();
        elapsed = bound(elapsed, 0, 60 days);
        vm.warp(START + elapsed);
        if (elapsed < delay) {
            vm.expectRevert(
                abi.encodeWithSelector(IClearingHouse.ExitNotReady.selector, START + delay)
            );
            house.finalizeClose(config);
        } else {
            house.finalizeClose(config);
            assertClosed(0);
        }
    }

    function test_FinalizeClose_OnAForkWithANewChainId() public {
        vm.chainId(block.chainid + 1);
        requestClose();
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        assertClosed(0);
    }

    function test_FinalizeClose_RevertWhen_NotRequested() public {
        vm.warp(START + DELAY);
        vm.expectRevert(IClearingHouse.ExitNotRequested.selector);
        vm.prank(payer);
        house.finalizeClose(config);
    }

    function test_FinalizeClose_RevertWhen_ASecondTooEarly() public {
        requestClose();
        vm.warp(START + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.ExitNotReady.selector, START + DELAY));
        vm.prank(payer);
        house.finalizeClose(config);
    }

    function test_FinalizeClose_RevertWhen_ClosedAlready() public {
        requestClose();
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.finalizeClose(config);
        assertClosed(0);
    }
}
