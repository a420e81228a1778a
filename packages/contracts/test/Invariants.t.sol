// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Assertions} from "./Fixture.sol";
import {Handler} from "./Handler.sol";

/// @notice What must hold after any calls by anybody; README.md has it in prose. Not isolated,
/// since no gas is measured here and calls are many.
/// forge-config: default.isolate = false
contract InvariantsTest is Assertions {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private funds;
    Handler private handler;
    IClearingHouse private house;
    DevToken private token;

    function setUp() public {
        vm.warp(1_800_000_000);
        handler = new Handler();
        funds = handler.FUNDS();
        house = handler.house();
        token = handler.token();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), actions());
    }

    function actions() private pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](14);
        selectors[0] = Handler.open.selector;
        selectors[1] = Handler.topUp.selector;
        selectors[2] = Handler.signTopUp.selector;
        selectors[3] = Handler.submitTopUp.selector;
        selectors[4] = Handler.deposit.selector;
        selectors[5] = Handler.settle.selector;
        selectors[6] = Handler.settleMany.selector;
        selectors[7] = Handler.close.selector;
        selectors[8] = Handler.requestClose.selector;
        selectors[9] = Handler.finalizeClose.selector;
        selectors[10] = Handler.withdraw.selector;
        selectors[11] = Handler.passTime.selector;
        selectors[12] = Handler.setOff.selector;
        selectors[13] = Handler.topUpSigned.selector;
    }

    /// Settled only rises, closed stays closed, and nothing succeeds without the key that it needs.
    function invariant_NothingBroke() external view {
        string memory broken = handler.broken();
        assertTrue(bytes(broken).length == 0, broken);
    }

    function invariant_Solvency() external view {
        uint256 owed;
        address[] memory actors = handler.actors();
        for (uint256 i; i < actors.length; ++i) {
            owed += house.balanceOf(actors[i]);
        }
        IClearingHouse.Channel[] memory states = handler.states();
        for (uint256 i; i < states.length; ++i) {
            if (states[i].status == IClearingHouse.Status.Open) {
                owed += states[i].deposit - states[i].settled;
            }
        }
        assertEq(token.balanceOf(address(house)), owed, "holdings and debts differ");
    }

    function invariant_SettledIsWithinDepositAndPromise() external view {
        IClearingHouse.Channel[] memory states = handler.states();
        for (uint256 i; i < states.length; ++i) {
            assertTrue(states[i].settled <= states[i].deposit, "settled above the deposit");
            assertTrue(states[i].settled <= handler.promised(i), "settled above the vouchers");
        }
    }

    /// What anybody has, wherever it lies, changes only by what is settled to it or from it.
    function invariant_NobodyLosesButByVoucher() external view {
        IClearingHouse.Channel[] memory states = handler.states();
        IClearingHouse.ChannelConfig[] memory configs = handler.configs();
        address[] memory actors = handler.actors();
        int256[] memory worth = new int256[](actors.length);
        for (uint256 i; i < states.length; ++i) {
            int256 settled = int256(uint256(states[i].settled));
            bool isOpen = states[i].status == IClearingHouse.Status.Open;
            int256 locked = isOpen ? int256(uint256(states[i].deposit)) - settled : int256(0);
            for (uint256 a; a < actors.length; ++a) {
                if (configs[i].payer == actors[a]) worth[a] += settled + locked;
                if (configs[i].payee == actors[a]) worth[a] -= settled;
            }
        }
        for (uint256 a; a < actors.length; ++a) {
            uint256 outside =
                token.balanceOf(actors[a]) + handler.sent(actors[a]) + handler.paidFees(actors[a]);
            worth[a] += int256(outside + house.balanceOf(actors[a]));
            uint256 due = funds + handler.received(actors[a]) + handler.earnedFees(actors[a]);
            assertEq(uint256(worth[a]), due, "an account's worth is off");
        }
    }

    /// From any state: the payer asks, everybody else does what they can, and after the delay it
    /// has its money.
    /// forge-config: default.invariant.runs = 16
    function invariant_PayerIsOutWithinTheDelay() external {
        IClearingHouse.Channel[] memory states = handler.states();
        IClearingHouse.ChannelConfig[] memory configs = handler.configs();
        for (uint256 i; i < states.length; ++i) {
            IClearingHouse.ChannelConfig memory config = configs[i];
            IClearingHouse.Channel memory state = states[i];
            bytes32 id = handler.ids(i);
            if (state.status != IClearingHouse.Status.Open) continue;
            if (state.exitRequestedAt == 0) {
                vm.prank(config.payer);
                house.requestClose(config);
                state = house.channel(id);
            }
            handler.interfere(i);
            uint256 closableAt = uint256(state.exitRequestedAt) + config.delay;
            if (block.timestamp < closableAt) vm.warp(closableAt);
            state = house.channel(id);
            uint256 before = house.balanceOf(config.payer);
            house.finalizeClose(config);
            uint256 balance = house.balanceOf(config.payer);
            assertEq(balance - before, state.deposit - state.settled, "refund");
            if (balance == 0) continue;
            uint256 wallet = token.balanceOf(config.payer);
            vm.prank(config.payer);
            house.withdraw(config.payer, balance);
            assertEq(token.balanceOf(config.payer) - wallet, balance, "paid out");
        }
    }

    /// From any state: the payer asks to leave, the payee hears of it in the last second, and has
    /// what was signed, up to the deposit.
    /// forge-config: default.invariant.runs = 16
    function invariant_PayeeHasWhatWasSignedBeforeTheDelayEnds() external {
        IClearingHouse.ChannelConfig[] memory configs = handler.configs();
        for (uint256 i; i < configs.length; ++i) {
            IClearingHouse.ChannelConfig memory config = configs[i];
            IClearingHouse.Channel memory state = house.channel(handler.ids(i));
            if (state.status != IClearingHouse.Status.Open) continue;
            if (state.exitRequestedAt == 0) {
                vm.prank(config.payer);
                house.requestClose(config);
                state = house.channel(handler.ids(i));
            }
            uint256 lastMoment = uint256(state.exitRequestedAt) + config.delay - 1;
            if (block.timestamp < lastMoment) vm.warp(lastMoment);
            (uint128 cumulative, bytes memory signature) = handler.bestVoucher(i);
            uint256 due = cumulative < state.deposit ? cumulative : state.deposit;
            if (due <= state.settled) continue;
            uint256 before = house.balanceOf(config.payee);
            house.settle(config, cumulative, signature);
            assertEq(house.balanceOf(config.payee) - before, due - state.settled, "paid");
        }
    }

    /// Invariants over a handler that gets nothing done would hold too.
    function test_HandlerGetsEverythingDone() external {
        string[13] memory names = [
            "open",
            "topUp",
            "cancelExit",
            "submitTopUp",
            "deposit",
            "settle",
            "settleMany",
            "close",
            "requestClose",
            "finalizeClose",
            "withdraw",
            "setOff",
            "topUpSigned"
        ];
        uint256[13] memory successes;
        bytes4[] memory selectors = actions();
        uint256 seed = 1;
        for (uint256 run; run < 16; ++run) {
            setUp();
            for (uint256 i; i < 64; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                bytes4 selector = selectors[seed % selectors.length];
                (bool isOk,) = address(handler).call(abi.encodeWithSelector(selector, seed));
                assertTrue(isOk, "the handler itself failed");
            }
            for (uint256 i; i < names.length; ++i) {
                successes[i] += handler.successes(names[i]);
            }
            string memory broken = handler.broken();
            assertTrue(bytes(broken).length == 0, broken);
        }
        for (uint256 i; i < names.length; ++i) {
            assertTrue(successes[i] > 2, names[i]);
        }
    }
}
