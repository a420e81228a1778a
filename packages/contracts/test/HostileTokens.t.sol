// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";
import {
    BlockingToken,
    FalseToken,
    FeeToken,
    GenerousToken,
    HookedToken,
    LyingToken,
    OpenToken,
    RebasingToken,
    ReentrantToken,
    SilentToken
} from "./HostileTokens.sol";

contract HostileTokensTest is Fixture {
    function use(OpenToken hostile) private {
        house = deployHouse(address(hostile));
        id = house.channelIdOf(config);
        address[2] memory holders = [payer, payee];
        for (uint256 i; i < holders.length; ++i) {
            hostile.mint(holders[i], 10 * DEPOSIT);
            vm.prank(holders[i]);
            hostile.approve(address(house), type(uint256).max);
        }
    }

    function expectNothingComesIn(bytes memory answer) private {
        vm.expectRevert(answer);
        vm.prank(payer);
        house.open(config, DEPOSIT);
        vm.expectRevert(answer);
        vm.prank(payer);
        house.deposit(DEPOSIT);
    }

    function expectInexact() private {
        bytes memory answer = abi.encodeWithSelector(IClearingHouse.InexactTransfer.selector);
        expectNothingComesIn(answer);
        vm.expectRevert(answer);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, "");
    }

    function test_FeeOnTransfer_IsRefused() public {
        use(new FeeToken());
        expectInexact();
    }

    function test_Generous_IsRefused() public {
        use(new GenerousToken());
        expectInexact();
    }

    function test_Lying_IsRefused() public {
        use(new LyingToken());
        expectInexact();
    }

    function test_ReturningFalse_IsRefused() public {
        FalseToken hostile = new FalseToken();
        use(hostile);
        expectNothingComesIn(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(hostile))
        );
    }

    function test_ReturningFalse_LosesNoLedgerBalance() public {
        FalseToken hostile = new FalseToken();
        use(hostile);
        // Its other door is honest, so there is a balance that it then does not pay out.
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, "");
        house.settle(config, 100, voucher(100));
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(hostile))
        );
        vm.prank(payee);
        house.withdraw(payee, 100);
        assertEq(house.balanceOf(payee), 100, "ledger");
    }

    function test_ReturningNothing_IsAccepted() public {
        SilentToken silent = new SilentToken();
        house = deployHouse(address(silent));
        silent.mint(payer, DEPOSIT);
        vm.prank(payer);
        house.deposit(DEPOSIT);
        vm.prank(payer);
        house.withdraw(payee, DEPOSIT);
        assertEq(silent.balanceOf(payee), DEPOSIT, "wallet");
    }

    // An account that the token blocks must not hold up the other side of its channels.
    function test_Blocking_HoldsUpNobodyElse() public {
        BlockingToken hostile = new BlockingToken();
        use(hostile);
        openChannel();
        hostile.setBlocked(payee);
        house.settle(config, 100, voucher(100));
        vm.prank(payer);
        house.requestClose(config);
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        vm.prank(payer);
        house.withdraw(payer, DEPOSIT - 100);
        vm.expectRevert(BlockingToken.Blocked.selector);
        vm.prank(payee);
        house.withdraw(payee, 100);
        vm.prank(payee);
        house.withdraw(stranger, 100);
        assertEq(hostile.balanceOf(stranger), 100, "wallet");
    }

    // The token takes part as payer, payee and account, so that no call fails for want of a right.
    function test_Reentrant_FindsAllDoorsShut() public {
        ReentrantToken hostile = new ReentrantToken();
        use(hostile);
        hostile.mint(address(hostile), 10 * DEPOSIT);
        vm.prank(address(hostile));
        hostile.approve(address(house), type(uint256).max);
        config.payer = config.payee = address(hostile);
        config.salt = "open";
        id = house.channelIdOf(config);
        vm.prank(address(hostile));
        house.open(config, DEPOSIT);
        vm.prank(address(hostile));
        house.deposit(DEPOSIT);
        IClearingHouse.ChannelConfig memory fresh = config;
        fresh.salt = "fresh";
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](1);
        rows[0] = IClearingHouse.Settlement(config, 100, voucher(100));

        bytes[] memory calls = new bytes[](20);
        calls[0] = abi.encodeCall(house.open, (fresh, 1));
        calls[1] = abi.encodeCall(house.openFromBalance, (fresh, 1));
        calls[2] = abi.encodeCall(house.openWithAuthorization, (fresh, 1, 0, FOREVER, ""));
        calls[3] = abi.encodeCall(house.topUp, (config, 1));
        calls[4] = abi.encodeCall(house.topUpFromBalance, (config, 1));
        calls[5] = abi.encodeCall(house.topUpWithAuthorization, (config, 1, "", 0, FOREVER, ""));
        calls[6] = abi.encodeCall(house.deposit, (1));
        calls[7] = abi.encodeCall(house.settle, (config, 100, voucher(100)));
        calls[8] = abi.encodeCall(house.settleMany, (rows));
        calls[9] = abi.encodeCall(house.close, (config, 0, ""));
        calls[10] = abi.encodeCall(house.requestClose, (config));
        calls[11] = abi.encodeCall(house.requestCloseWithSignature, (config, FOREVER, ""));
        calls[12] = abi.encodeCall(house.finalizeClose, (config));
        calls[13] = abi.encodeCall(house.withdraw, (payer, 1));
        calls[14] = abi.encodeCall(
            house.withdrawWithSignature, (address(hostile), payer, 1, freely(FOREVER), "")
        );
        calls[15] = abi.encodeCall(house.setOff, (new IClearingHouse.Debt[](2), 1));
        calls[16] =
            abi.encodeCall(house.openFromBalanceWithSignature, (fresh, 1, freely(FOREVER), ""));
        calls[17] =
            abi.encodeCall(house.topUpFromBalanceWithSignature, (config, 1, freely(FOREVER), ""));
        calls[18] = abi.encodeCall(house.depositWithPermit, (1, FOREVER, 27, "", ""));
        calls[19] = abi.encodeCall(
            house.depositWithAuthorization, (address(hostile), 1, "", freely(FOREVER), "")
        );

        config.payer = payer;
        config.payee = payee;
        for (uint256 i; i < calls.length; ++i) {
            config.salt = bytes32(i);
            hostile.arm(address(house), calls[i]);
            vm.prank(payer);
            house.open(config, 3);
            assertShut(hostile);
            hostile.arm(address(house), calls[i]);
            house.topUpWithAuthorization(config, 3, "", 0, FOREVER, "");
            assertShut(hostile);
            vm.prank(payer);
            house.deposit(1);
            hostile.arm(address(house), calls[i]);
            vm.prank(payer);
            house.withdraw(payer, 1);
            assertShut(hostile);
        }
    }

    // A hook may run while tokens are on their way: what comes in besides must not be counted.
    function test_Hooked_CannotCountTokensTwice() public {
        HookedToken hostile = new HookedToken();
        use(hostile);
        hostile.mint(address(hostile), 1);
        // The sender's hook sends one unit more to the house, during the transfer.
        hostile.setHook(payer, address(hostile), abi.encodeCall(hostile.give, (address(house), 1)));
        vm.expectRevert(IClearingHouse.InexactTransfer.selector);
        vm.prank(payer);
        house.open(config, DEPOSIT);
        // The sender's hook spends a deposit's own tokens on a second deposit: the doors are shut.
        hostile.setHook(payer, address(house), abi.encodeCall(house.deposit, (1)));
        vm.prank(payer);
        house.open(config, DEPOSIT);
        assertTrue(!hostile.isSuccess(), "a door was open");
        assertEq(hostile.balanceOf(address(house)), DEPOSIT, "house");
    }

    // Not supported, and this is what it means: the ledger does not follow, so that what was lost
    // is missed by whoever comes last; what was gained stays in the house.
    function test_Rebasing_ChangesNoLedgerEntry() public {
        RebasingToken hostile = new RebasingToken();
        use(hostile);
        vm.prank(payer);
        house.deposit(100);
        vm.prank(payee);
        house.deposit(100);
        hostile.rebase(address(house), 150);
        assertEq(house.balanceOf(payer) + house.balanceOf(payee), 200, "ledger");
        vm.prank(payer);
        house.withdraw(payer, 100);
        vm.expectRevert();
        vm.prank(payee);
        house.withdraw(payee, 100);
        vm.prank(payee);
        house.withdraw(payee, 50);
        assertEq(house.balanceOf(payee), 50, "what is missing stays on record");
        hostile.rebase(address(house), 60);
        vm.prank(payee);
        house.withdraw(payee, 50);
        assertEq(hostile.balanceOf(address(house)), 10, "what nobody put in, nobody takes out");
    }

    // A token whose permit does what it likes gets no more than the caller's allowance anyway.
    function test_Permit_OfATokenWithoutOne_NeedsAnAllowance() public {
        SilentToken silent = new SilentToken();
        house = deployHouse(address(silent));
        silent.mint(payer, DEPOSIT);
        vm.prank(payer);
        house.depositWithPermit(DEPOSIT, FOREVER, 27, "", "");
        assertEq(house.balanceOf(payer), DEPOSIT, "ledger");
    }

    function assertShut(ReentrantToken hostile) private view {
        assertTrue(!hostile.isSuccess(), "a door was open");
        assertEq(
            bytes32(hostile.answer()),
            bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "shut for another reason"
        );
    }
}
