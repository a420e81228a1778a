// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What somebody without native coin signs and somebody else submits.
contract RelayingTest is Fixture {
    uint256 private constant FEE = 3;
    bytes32 private constant SALT = "salt";

    IClearingHouse.Relay private relay;

    function setUp() public override {
        super.setUp();
        relay = IClearingHouse.Relay(stranger, FEE, START);
    }

    function signOpen() private view returns (bytes memory) {
        return signOpenFromBalance(PAYER_KEY, address(house), id, DEPOSIT, relay);
    }

    function signTopUp(uint128 amount) private view returns (bytes memory) {
        uint256 nonce = house.nonces(payer);
        return signTopUpFromBalance(PAYER_KEY, address(house), id, amount, relay, nonce);
    }

    function signDeposit(uint256 amount) private view returns (bytes memory) {
        bytes32 nonce = house.depositNonce(SALT, relay.relayer, relay.fee);
        uint256 until = relay.deadline;
        return signReceive(PAYER_KEY, address(token), address(house), amount, 0, until, nonce);
    }

    function signPermit(uint256 amount, uint256 deadline)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typehash, payer, address(house), amount, token.nonces(payer), deadline)
        );
        return vm.sign(PAYER_KEY, digestOf(token.DOMAIN_SEPARATOR(), structHash));
    }

    // ── openFromBalanceWithSignature ──

    function test_OpenFromBalanceWithSignature() public {
        putIntoLedger(payer, DEPOSIT + FEE + 1);
        bytes memory signature = signOpen();
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.FeePaid(payer, stranger, FEE);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.ChannelOpened(id, payer, payee, config, DEPOSIT);
        vm.prank(payee);
        assertEq(
            house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature), id, "returned id"
        );
        assertChannel(DEPOSIT, 0, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payer), 1, "payer");
        assertEq(house.balanceOf(stranger), FEE, "relayer");
        vm.expectRevert(IClearingHouse.ChannelExists.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature);
    }

    function test_OpenFromBalanceWithSignature_RevertWhen_DeadlineIsOver() public {
        putIntoLedger(payer, 2 * DEPOSIT);
        bytes memory signature = signOpen();
        vm.warp(START + 1);
        vm.expectRevert(IClearingHouse.SignatureExpired.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature);
    }

    function test_OpenFromBalanceWithSignature_RevertWhen_BalanceIsShort() public {
        putIntoLedger(payer, DEPOSIT + FEE - 1);
        bytes memory signature = signOpen();
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature);
        assertEq(house.balanceOf(stranger), 0, "relayer");
    }

    function test_OpenFromBalanceWithSignature_RevertWhen_NotOpenable() public {
        config.payee = address(0);
        vm.expectRevert(IClearingHouse.InvalidParty.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, "");
    }

    function test_OpenFromBalanceWithSignature_RevertWhen_PayerIsZero() public {
        config.payer = address(0);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, freely(START), new bytes(65));
    }

    function testFuzz_OpenFromBalanceWithSignature_RevertWhen_AnythingWasChanged(
        uint128 amount,
        IClearingHouse.Relay memory other,
        uint256 key,
        bytes32 salt
    ) public {
        putIntoLedger(payer, 10 * DEPOSIT);
        amount = uint128(bound(amount, 1, type(uint96).max));
        other.deadline = bound(other.deadline, START, FOREVER);
        bytes memory signature = signOpen();
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, amount == DEPOSIT ? 1 : amount, relay, signature);
        other.fee = other.fee == FEE ? 0 : other.fee;
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, other, signature);
        other = IClearingHouse.Relay(other.relayer == stranger ? payee : other.relayer, FEE, START);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, other, signature);
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PAYER_KEY && salt != config.salt);
        bytes memory forged = signOpenFromBalance(key, address(house), id, DEPOSIT, relay);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, forged);
        config.salt = salt;
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature);
    }

    // ── topUpFromBalanceWithSignature ──

    function test_TopUpFromBalanceWithSignature() public {
        openChannel();
        putIntoLedger(payer, 20);
        bytes memory signature = signTopUp(7);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.ToppedUp(id, 7, DEPOSIT + 7);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
        assertChannel(DEPOSIT + 7, 0, IClearingHouse.Status.Open, 0);
        assertEq(house.balanceOf(payer), 10, "payer");
        assertEq(house.balanceOf(stranger), FEE, "relayer");
        assertEq(house.nonces(payer), 1, "nonce");
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
    }

    function test_TopUpFromBalanceWithSignature_RevertWhen_ExitIsPending() public {
        openChannel();
        putIntoLedger(payer, 20);
        bytes memory signature = signTopUp(7);
        vm.prank(payer);
        house.requestClose(config);
        vm.expectRevert(IClearingHouse.ExitPending.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
    }

    function test_TopUpFromBalanceWithSignature_RevertWhen_NotPossible() public {
        putIntoLedger(payer, 9);
        bytes memory signature = signTopUp(7);
        vm.expectRevert(IClearingHouse.ChannelNotOpen.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
        openChannel();
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        house.topUpFromBalanceWithSignature(config, 0, relay, signature);
        vm.expectRevert(IClearingHouse.DepositTooLarge.selector);
        house.topUpFromBalanceWithSignature(config, type(uint96).max, relay, signature);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
        vm.warp(START + 1);
        vm.expectRevert(IClearingHouse.SignatureExpired.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
    }

    function testFuzz_TopUpFromBalanceWithSignature_RevertWhen_AnythingWasChanged(
        uint128 amount,
        uint256 fee,
        uint256 nonce,
        uint256 key
    ) public {
        openChannel();
        putIntoLedger(payer, DEPOSIT);
        amount = uint128(bound(amount, 1, type(uint96).max - DEPOSIT));
        key = bound(key, 1, type(uint128).max);
        vm.assume(amount != 7 || fee != FEE || nonce != 0 || key != PAYER_KEY);
        IClearingHouse.Relay memory other = IClearingHouse.Relay(stranger, fee, START);
        bytes memory signature = signTopUpFromBalance(key, address(house), id, amount, other, nonce);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.topUpFromBalanceWithSignature(config, 7, relay, signature);
    }

    // ── depositWithPermit ──

    function test_DepositWithPermit() public {
        vm.prank(payer);
        token.approve(address(house), 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(9, START);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Deposited(payer, 9);
        vm.prank(payer);
        house.depositWithPermit(9, START, v, r, s);
        assertEq(house.balanceOf(payer), 9, "ledger");
    }

    // Somebody took the permit out of the queue and submitted it: the allowance is there.
    function test_DepositWithPermit_WhenThePermitWasUsedFirst() public {
        vm.prank(payer);
        token.approve(address(house), 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(9, START);
        vm.prank(stranger);
        token.permit(payer, address(house), 9, START, v, r, s);
        vm.prank(payer);
        house.depositWithPermit(9, START, v, r, s);
        assertEq(house.balanceOf(payer), 9, "ledger");
    }

    // The payer's allowance is nobody else's to use.
    function test_DepositWithPermit_RevertWhen_ItIsAnothers() public {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(9, START);
        vm.expectRevert();
        vm.prank(stranger);
        house.depositWithPermit(9, START, v, r, s);
        assertEq(house.balanceOf(stranger), 0, "stranger");
        assertEq(token.balanceOf(address(house)), 0, "house");
    }

    function test_DepositWithPermit_RevertWhen_AmountIsZero() public {
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        vm.prank(payer);
        house.depositWithPermit(0, START, 27, "", "");
    }

    // ── depositWithAuthorization ──

    function test_DepositWithAuthorization() public {
        relay.deadline = START + 1;
        bytes memory signature = signDeposit(9);
        vm.expectEmit(true, true, true, true, address(house));
        emit IClearingHouse.Deposited(payer, 9);
        vm.prank(payee);
        house.depositWithAuthorization(payer, 9, SALT, relay, signature);
        assertEq(house.balanceOf(payer), 9 - FEE, "payer");
        assertEq(house.balanceOf(stranger), FEE, "relayer");
        vm.expectRevert(DevToken.AuthorizationSpent.selector);
        house.depositWithAuthorization(payer, 9, SALT, relay, signature);
    }

    function test_DepositWithAuthorization_RevertWhen_AmountIsZero() public {
        vm.expectRevert(IClearingHouse.ZeroAmount.selector);
        house.depositWithAuthorization(payer, 0, SALT, relay, "");
    }

    function test_DepositWithAuthorization_RevertWhen_TheFeeIsMoreThanThereIs() public {
        relay = IClearingHouse.Relay(stranger, 10, START + 1);
        bytes memory signature = signDeposit(9);
        vm.expectRevert(IClearingHouse.InsufficientBalance.selector);
        house.depositWithAuthorization(payer, 9, SALT, relay, signature);
    }

    function test_DepositWithAuthorization_RevertWhen_TheRelayerHelpsItself() public {
        relay.deadline = FOREVER;
        bytes memory signature = signDeposit(9);
        relay.fee = FEE + 1;
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.depositWithAuthorization(payer, 9, SALT, relay, signature);
        relay = IClearingHouse.Relay(payee, FEE, FOREVER);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.depositWithAuthorization(payer, 9, SALT, relay, signature);
    }

    // What was signed for one thing is no good for another: each has nonces of its own.
    function test_Authorizations_AreGoodForOneThingOnly() public {
        relay.deadline = FOREVER;
        bytes memory forDeposit = signDeposit(DEPOSIT);
        bytes memory forOpening = openAuthorization(DEPOSIT);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, forDeposit);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.depositWithAuthorization(payer, DEPOSIT, SALT, relay, forOpening);
        // Nor may anybody hand it to the token past the house.
        bytes32 nonce = house.openNonce(id);
        vm.expectRevert(DevToken.CallerNotRecipient.selector);
        vm.prank(stranger);
        token.receiveWithAuthorization(
            payer, address(house), DEPOSIT, 0, FOREVER, nonce, forOpening
        );
        vm.expectRevert(DevToken.InvalidSignature.selector);
        token.transferWithAuthorization(
            payer, address(house), DEPOSIT, 0, FOREVER, nonce, forOpening
        );
    }

    function testFuzz_DepositWithAuthorization_RevertWhen_AnythingWasChanged(
        uint256 amount,
        bytes32 salt,
        IClearingHouse.Relay memory other
    ) public {
        relay.deadline = FOREVER;
        amount = bound(amount, 1, type(uint128).max);
        other.deadline = FOREVER;
        vm.assume(amount != 9 || salt != SALT || other.relayer != stranger || other.fee != FEE);
        bytes memory signature = signDeposit(9);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        house.depositWithAuthorization(payer, amount, salt, other, signature);
    }

    // ── Elsewhere ──

    function test_Orders_RevertWhen_SignedForAnotherContractOrChain() public {
        putIntoLedger(payer, 3 * DEPOSIT);
        IClearingHouse other = deployHouse(address(token));
        bytes memory elsewhere = signOpenFromBalance(PAYER_KEY, address(other), id, DEPOSIT, relay);
        vm.expectRevert(IClearingHouse.InvalidSignature.selector);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, elsewhere);
        bytes memory here = signOpen();
        openChannel();
        bytes memory topUp = signTopUp(7);
        bytes memory leave = signWithdraw(PAYER_KEY, address(house), payer, payer, 1, relay, 0);
        bytes memory wish = signRequestClose(PAYER_KEY, address(house), id, 0, START);
        vm.chainId(block.chainid + 1);
        bytes4 reason = IClearingHouse.InvalidSignature.selector;
        vm.expectRevert(reason);
        house.topUpFromBalanceWithSignature(config, 7, relay, topUp);
        vm.expectRevert(reason);
        house.withdrawWithSignature(payer, payer, 1, relay, leave);
        vm.expectRevert(reason);
        house.requestCloseWithSignature(config, START, wish);
        config.salt = "other";
        vm.expectRevert(reason);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, here);
    }

    /// Somebody with no native coin and a few units: in, paid for an answer, earned, and out.
    function test_ALifeWithoutNativeCoin() public {
        relay.deadline = FOREVER;
        house.depositWithAuthorization(payer, 10 + FEE, SALT, relay, signDeposit(10 + FEE));
        bytes memory opening = signOpenFromBalance(PAYER_KEY, address(house), id, 5, relay);
        house.openFromBalanceWithSignature(config, 5, relay, opening);
        house.settle(config, 2, voucher(2));
        house.requestCloseWithSignature(
            config, FOREVER, signRequestClose(PAYER_KEY, address(house), id, 0, FOREVER)
        );
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        uint256 rest = 10 - FEE - 2;
        assertEq(house.balanceOf(payer), rest, "ledger");
        uint256 wallet = token.balanceOf(payer);
        bytes memory leave =
            signWithdraw(PAYER_KEY, address(house), payer, payer, rest - FEE, relay, 0);
        house.withdrawWithSignature(payer, payer, rest - FEE, relay, leave);
        assertEq(token.balanceOf(payer) - wallet, rest - FEE, "wallet");
        assertEq(house.balanceOf(stranger), 3 * FEE, "relayer");
        assertEq(house.balanceOf(payee), 2, "payee");
    }

    // ── Strangers ──

    /// Whatever a stranger calls with whatever bytes: without a key of the two, a channel's money
    /// stays where it is.
    function testFuzz_Strangers_MoveNothing(
        uint8 which,
        uint128 amount,
        bytes memory signature,
        uint256 elapsed,
        bytes32 r,
        bytes32 vs
    ) public {
        openChannel();
        putIntoLedger(payer, DEPOSIT);
        putIntoLedger(payee, DEPOSIT);
        house.settle(config, 100, voucher(100));
        token.mint(stranger, DEPOSIT);
        vm.prank(stranger);
        token.approve(address(house), FOREVER);
        IClearingHouse.Relay memory mine = IClearingHouse.Relay(stranger, 1, FOREVER);
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](2);
        IClearingHouse.CompactSignature memory forged = IClearingHouse.CompactSignature(r, vs);
        ring[0] = IClearingHouse.Debt(config, amount, FOREVER, forged, forged);
        ring[1] = ring[0];
        (ring[1].config.payer, ring[1].config.payee) = (payee, payer);
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](1);
        rows[0] = IClearingHouse.Settlement(config, amount, signature);
        bytes[] memory calls = new bytes[](13);
        calls[0] = abi.encodeCall(house.settle, (config, amount, signature));
        calls[1] = abi.encodeCall(house.settleMany, (rows));
        calls[2] = abi.encodeCall(house.setOff, (ring, amount));
        calls[3] = abi.encodeCall(house.close, (config, amount, signature));
        calls[4] = abi.encodeCall(house.requestClose, (config));
        calls[5] = abi.encodeCall(house.requestCloseWithSignature, (config, FOREVER, signature));
        calls[6] = abi.encodeCall(house.finalizeClose, (config));
        calls[7] = abi.encodeCall(house.topUp, (config, amount));
        calls[8] = abi.encodeCall(house.topUpFromBalance, (config, amount));
        calls[9] =
            abi.encodeCall(house.topUpFromBalanceWithSignature, (config, amount, mine, signature));
        calls[10] =
            abi.encodeCall(house.withdrawWithSignature, (payee, stranger, amount, mine, signature));
        calls[11] =
            abi.encodeCall(house.openFromBalanceWithSignature, (config, amount, mine, signature));
        calls[12] = abi.encodeCall(
            house.topUpWithAuthorization, (config, amount, "", 0, FOREVER, signature)
        );
        vm.warp(START + elapsed % 60 days);
        bytes32 before = keccak256(abi.encode(house.channel(id)));
        vm.prank(stranger);
        (bool isDone,) = address(house).call(calls[which % calls.length]);
        assertTrue(!isDone || which % calls.length == 1, "a stranger's call succeeded");
        assertEq(keccak256(abi.encode(house.channel(id))), before, "channel");
        assertEq(house.balanceOf(payer), DEPOSIT, "payer");
        assertEq(house.balanceOf(payee), DEPOSIT + 100, "payee");
        assertEq(house.balanceOf(stranger), 0, "stranger");
    }
}
