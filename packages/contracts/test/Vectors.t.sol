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

    // ── What is signed for others to submit ──

    /// Slot of the nonces in the contract's storage.
    uint256 private constant NONCES_SLOT = 3;
    uint256 private constant CHANNELS_SLOT = 4;
    uint256 private constant FEE = 7;

    IClearingHouse.Relay private relay = IClearingHouse.Relay(V.PAYEE, FEE, V.DEADLINE);

    /// The vectors are for a payer that has signed five orders before.
    function fund() private {
        putIntoLedger(V.PAYER, DEPOSIT);
        bytes32 slot = keccak256(abi.encode(V.PAYER, NONCES_SLOT));
        vm.store(address(house), slot, bytes32(uint256(5)));
        assertEq(house.nonces(V.PAYER), 5, "the slot is another");
    }

    function open(uint128 amount) private {
        vm.prank(V.PAYER);
        house.openFromBalance(config, amount);
    }

    function test_Nonces() public view {
        assertEq(house.topUpNonce(id, V.AMOUNT_1, V.NONCE_SALT), V.TOP_UP_NONCE, "top-up");
        assertEq(house.depositNonce(V.NONCE_SALT, V.PAYEE, FEE), V.DEPOSIT_NONCE, "deposit");
    }

    function test_Acknowledgement() public {
        bytes32 digest = house.acknowledgementDigest(id, V.AMOUNT_1, V.DEADLINE);
        assertEq(digest, V.ACKNOWLEDGEMENT_DIGEST, "digest");
        assertEq(
            keccak256(abi.encode(compact(V.ACKNOWLEDGEMENT_SIGNATURE))),
            keccak256(V.ACKNOWLEDGEMENT_COMPACT),
            "the two forms differ"
        );
        fund();
        open(DEPOSIT);
        // Of the payee there is only this one signature, so the ring cannot be closed here: that the
        // second debt is what is refused says that the first one holds.
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](2);
        ring[0] = IClearingHouse.Debt(
            config,
            V.AMOUNT_1,
            V.DEADLINE,
            compact(V.SIGNATURE_1),
            compact(V.ACKNOWLEDGEMENT_SIGNATURE)
        );
        (config.payer, config.payee) = (V.PAYEE, V.PAYER);
        ring[1].config = config;
        ring[1].deadline = V.DEADLINE;
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.setOff(ring, 1);
    }

    function test_OpenFromBalance() public {
        fund();
        bytes memory signature = V.OPEN_FROM_BALANCE_SIGNATURE;
        house.openFromBalanceWithSignature(config, V.AMOUNT_1, relay, signature);
        assertEq(house.channel(id).deposit, V.AMOUNT_1, "deposit");
        assertEq(house.balanceOf(V.PAYEE), FEE, "fee");
    }

    function test_TopUpFromBalance() public {
        fund();
        open(1);
        bytes memory signature = V.TOP_UP_FROM_BALANCE_SIGNATURE;
        house.topUpFromBalanceWithSignature(config, V.AMOUNT_1, relay, signature);
        assertEq(house.channel(id).deposit, 1 + uint256(V.AMOUNT_1), "deposit");
    }

    function test_Withdraw() public {
        fund();
        house.withdrawWithSignature(V.PAYER, V.PAYEE, V.AMOUNT_1, relay, V.WITHDRAW_SIGNATURE);
        assertEq(token.balanceOf(V.PAYEE), V.AMOUNT_1, "wallet");
    }

    function test_RequestClose() public {
        fund();
        open(1);
        bytes32 slot = keccak256(abi.encode(id, CHANNELS_SLOT));
        uint256 state = uint256(vm.load(address(house), slot));
        vm.store(address(house), slot, bytes32(state | (3 << 240)));
        house.requestCloseWithSignature(config, V.DEADLINE, V.REQUEST_CLOSE_SIGNATURE);
        assertEq(house.channel(id).exitRequestedAt, START, "exit");
    }
}
