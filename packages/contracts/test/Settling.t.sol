// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract SettlingTest is Fixture {
    uint256 private constant CURVE_ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function setUp() public override {
        super.setUp();
        openChannel();
    }

    function expectSettled(uint256 amount, uint256 total) private {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Settled(id, payee, amount, total);
    }

    function expectSkipped(bytes32 channelId, bytes4 reason) private {
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.SettlementSkipped(channelId, reason);
    }

    /// A row must fail alone with an error and be skipped in a batch with that error as its reason.
    function expectFailure(uint128 cumulative, bytes memory signature, bytes4 reason) private {
        vm.expectRevert(reason);
        house.settle(config, cumulative, signature);
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](1);
        rows[0] = IClearingHouse.Settlement(config, cumulative, signature);
        expectSkipped(house.channelIdOf(config), reason);
        assertEq(house.settleMany(rows), 0, "total");
        assertEq(house.balanceOf(payee), house.channel(id).settled, "payee");
    }

    // ── settle ──

    function test_Settle() public {
        expectSettled(100, 100);
        vm.prank(stranger);
        assertEq(house.settle(config, 100, voucher(100)), 100, "amount");
        expectSettled(150, 250);
        assertEq(house.settle(config, 250, voucher(250)), 150, "amount");
        assertChannel(DEPOSIT, 250, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payee), 250, "payee");
        assertEq(house.balanceOf(stranger), 0, "stranger");
        assertEq(token.balanceOf(address(house)), DEPOSIT, "house");
    }

    function test_Settle_VoucherAboveDepositIsWorthTheDeposit() public {
        assertEq(house.settle(config, type(uint128).max, voucher(type(uint128).max)), DEPOSIT, "");
        assertChannel(DEPOSIT, DEPOSIT, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payee), DEPOSIT, "payee");
    }

    function test_Settle_SameVoucherIsWorthMoreAfterTopUp() public {
        bytes memory signature = voucher(DEPOSIT + 5);
        house.settle(config, DEPOSIT + 5, signature);
        vm.prank(payer);
        house.topUp(config, 100);
        assertEq(house.settle(config, DEPOSIT + 5, signature), 5, "amount");
    }

    function test_Settle_DuringExitDelay() public {
        vm.prank(payer);
        house.requestClose(config);
        vm.warp(START + DELAY + 1);
        house.settle(config, 100, voucher(100));
        assertEq(house.balanceOf(payee), 100, "payee");
        assertChannel(DEPOSIT, 100, IClearingHouse.Status.Open, START);
    }

    function test_Settle_RevertWhen_NotRising() public {
        house.settle(config, 100, voucher(100));
        expectFailure(100, voucher(100), IClearingHouse.NothingToSettle.selector);
        expectFailure(99, voucher(99), IClearingHouse.NothingToSettle.selector);
        expectFailure(0, voucher(0), IClearingHouse.NothingToSettle.selector);
    }

    function test_Settle_RevertWhen_DepositIsUsedUp() public {
        house.settle(config, DEPOSIT, voucher(DEPOSIT));
        expectFailure(DEPOSIT + 1, voucher(DEPOSIT + 1), IClearingHouse.NothingToSettle.selector);
    }

    function test_Settle_RevertWhen_NeverOpened() public {
        config.salt = "other";
        bytes memory signature =
            signVoucher(SIGNER_KEY, address(house), house.channelIdOf(config), 100);
        expectFailure(100, signature, IClearingHouse.ChannelNotOpen.selector);
    }

    function test_Settle_RevertWhen_SignerIsZero() public {
        config.signer = address(0);
        // What ecrecover answers with zero to must not count as signed by zero.
        expectFailure(100, new bytes(65), IClearingHouse.ChannelNotOpen.selector);
    }

    function test_Settle_RevertWhen_ClosedByPayee() public {
        vm.prank(payee);
        house.close(config, 0, "");
        expectFailure(100, voucher(100), IClearingHouse.ChannelNotOpen.selector);
    }

    function test_Settle_RevertWhen_ClosedByPayer() public {
        vm.prank(payer);
        house.requestClose(config);
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        expectFailure(100, voucher(100), IClearingHouse.ChannelNotOpen.selector);
    }

    function test_Settle_RevertWhen_SignatureIsNotTheSigners() public {
        uint256[3] memory keys = [PAYER_KEY, PAYEE_KEY, STRANGER_KEY];
        for (uint256 i; i < keys.length; ++i) {
            bytes memory signature = signVoucher(keys[i], address(house), id, 100);
            expectFailure(100, signature, IClearingHouse.InvalidSignature.selector);
        }
    }

    function test_Settle_RevertWhen_SignatureIsMalformed() public {
        bytes4 reason = IClearingHouse.InvalidSignature.selector;
        expectFailure(100, "", reason);
        expectFailure(100, new bytes(64), reason);
        expectFailure(100, new bytes(65), reason);
        expectFailure(100, bytes.concat(voucher(100), hex"00"), reason);
        bytes memory wrongV = voucher(100);
        wrongV[64] = bytes1(uint8(wrongV[64]) - 27);
        expectFailure(100, wrongV, reason);
    }

    function test_Settle_RevertWhen_SignatureHasAHighS() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, house.voucherDigest(id, 100));
        bytes memory twin =
            abi.encodePacked(r, bytes32(CURVE_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        expectFailure(100, twin, IClearingHouse.InvalidSignature.selector);
    }

    function test_Settle_RevertWhen_SignedForAnotherContract() public {
        IClearingHouse other = deployHouse(address(token));
        bytes memory signature = signVoucher(SIGNER_KEY, address(other), id, 100);
        expectFailure(100, signature, IClearingHouse.InvalidSignature.selector);
    }

    function test_Settle_RevertWhen_SignedOnAnotherChain() public {
        bytes memory signature = voucher(100);
        vm.chainId(block.chainid + 1);
        expectFailure(100, signature, IClearingHouse.InvalidSignature.selector);
        house.settle(config, 100, voucher(100));
    }

    function testFuzz_Settle(uint128 deposit, uint128 first, uint128 second) public {
        deposit = uint128(bound(deposit, 1, type(uint96).max));
        first = uint128(bound(first, 1, type(uint128).max - 1));
        second = uint128(bound(second, uint256(first) + 1, type(uint128).max));
        config.salt = "fuzz";
        id = house.channelIdOf(config);
        vm.prank(payer);
        house.open(config, deposit);

        uint256 paid = house.settle(config, first, voucher(first));
        assertEq(paid, first < deposit ? first : deposit, "first");
        if (first < deposit) {
            paid += house.settle(config, second, voucher(second));
            assertEq(paid, second < deposit ? second : deposit, "second");
        } else {
            expectFailure(second, voucher(second), IClearingHouse.NothingToSettle.selector);
        }
        assertChannel(deposit, paid, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payee), paid, "payee");
    }

    function testFuzz_Settle_RevertWhen_AnotherKeySigned(uint256 key, uint128 cumulative) public {
        key = bound(key, 1, CURVE_ORDER - 1);
        vm.assume(key != SIGNER_KEY);
        cumulative = uint128(bound(cumulative, 1, type(uint128).max));
        bytes memory signature = signVoucher(key, address(house), id, cumulative);
        expectFailure(cumulative, signature, IClearingHouse.InvalidSignature.selector);
    }

    function testFuzz_Settle_RevertWhen_AmountWasChanged(uint128 signed, uint128 claimed) public {
        claimed = uint128(bound(claimed, 1, type(uint128).max));
        vm.assume(signed != claimed);
        expectFailure(claimed, voucher(signed), IClearingHouse.InvalidSignature.selector);
    }

    function testFuzz_Settle_RevertWhen_SignatureIsGarbage(bytes memory signature) public {
        expectFailure(100, signature, IClearingHouse.InvalidSignature.selector);
    }

    // ── settleMany ──

    function test_SettleMany_Empty() public {
        assertEq(house.settleMany(new IClearingHouse.Settlement[](0)), 0, "total");
    }

    function test_SettleMany_SkipsBadRowsAndSettlesTheOthers() public {
        IClearingHouse.ChannelConfig memory unknown = config;
        unknown.salt = "unknown";
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](6);
        rows[0] = IClearingHouse.Settlement(unknown, 100, voucher(100));
        rows[1] = IClearingHouse.Settlement(config, 100, voucher(100));
        rows[2] = IClearingHouse.Settlement(config, 200, "short");
        rows[3] = IClearingHouse.Settlement(config, 90, voucher(90));
        rows[4] = IClearingHouse.Settlement(config, 130, voucher(130));
        rows[5] = IClearingHouse.Settlement(config, 140, voucher(130));

        expectSkipped(house.channelIdOf(unknown), IClearingHouse.ChannelNotOpen.selector);
        expectSettled(100, 100);
        expectSkipped(id, IClearingHouse.InvalidSignature.selector);
        expectSkipped(id, IClearingHouse.NothingToSettle.selector);
        expectSettled(30, 130);
        expectSkipped(id, IClearingHouse.InvalidSignature.selector);
        vm.prank(stranger);
        assertEq(house.settleMany(rows), 130, "total");
        assertEq(house.balanceOf(payee), 130, "payee");
        assertChannel(DEPOSIT, 130, IClearingHouse.Status.Open, 0);
    }

    function test_SettleMany_ManyPayersOfOnePayee() public {
        uint256 size = 5;
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](size);
        uint256 expected;
        for (uint256 i; i < size; ++i) {
            config.payer = vm.addr(100 + i);
            putIntoLedger(config.payer, DEPOSIT);
            vm.prank(config.payer);
            id = house.openFromBalance(config, DEPOSIT);
            uint128 amount = uint128(i + 1);
            rows[i] = IClearingHouse.Settlement(config, amount, voucher(amount));
            expected += amount;
        }
        assertEq(house.settleMany(rows), expected, "total");
        assertEq(house.balanceOf(payee), expected, "payee");
    }
}
