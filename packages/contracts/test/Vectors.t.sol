// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";
import {VoucherVectors as V} from "./VoucherVectors.sol";

/// @notice What the devices compute and sign is what the contract computes and accepts.
contract VectorsTest is Fixture {
    function setUp() public override {
        super.setUp();
        assertEq(block.chainid, V.CHAIN_ID, "the vectors are for another chain id");
        assertEq(address(house), V.HOUSE, "the vectors are for another contract address");
        config = IClearingHouse.ChannelConfig({
            payer: V.PAYER,
            signer: V.SIGNER,
            payee: V.PAYEE,
            delay: V.DELAY,
            flags: V.FLAGS,
            salt: V.SALT
        });
        id = house.channelIdOf(config);
    }

    function test_ChannelId() public view {
        assertEq(id, V.CHANNEL_ID, "channel id");
        assertEq(house.openNonce(id), V.OPEN_NONCE, "open nonce");
    }

    function test_VoucherDigests() public view {
        assertEq(house.voucherDigest(id, V.AMOUNT_0), V.DIGEST_0, "first");
        assertEq(house.voucherDigest(id, V.AMOUNT_1), V.DIGEST_1, "second");
        assertEq(house.voucherDigest(id, V.AMOUNT_2), V.DIGEST_2, "third");
    }

    function test_Settle_TakesEachVoucher() public {
        token.mint(V.PAYER, DEPOSIT);
        vm.prank(V.PAYER);
        token.approve(address(house), DEPOSIT);
        vm.prank(V.PAYER);
        house.open(config, DEPOSIT);
        house.settle(config, V.AMOUNT_0, V.SIGNATURE_0);
        assertEq(house.balanceOf(V.PAYEE), V.AMOUNT_0, "first");
        house.settle(config, V.AMOUNT_1, V.SIGNATURE_1);
        assertEq(house.balanceOf(V.PAYEE), V.AMOUNT_1, "second");
        house.settle(config, V.AMOUNT_2, V.SIGNATURE_2);
        assertEq(
            house.balanceOf(V.PAYEE), DEPOSIT, "a voucher above the deposit is worth the deposit"
        );
    }

    function test_Settle_RefusesASignatureForAnotherAmount() public {
        token.mint(V.PAYER, DEPOSIT);
        vm.prank(V.PAYER);
        token.approve(address(house), DEPOSIT);
        vm.prank(V.PAYER);
        house.open(config, DEPOSIT);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.settle(config, V.AMOUNT_1 + 1, V.SIGNATURE_1);
    }
}
