// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Writes snapshots/ClearingHouse.json: whole transactions, base fee of 21,000 and calldata
/// included. Where a name says "first", a slot is written that was zero before.
contract GasTest is Fixture {
    function setUp() public override {
        super.setUp();
        putIntoLedger(payer, DEPOSIT);
    }

    function snapshot(string memory name) private {
        vm.snapshotGasLastCall("ClearingHouse", name);
    }

    function test_CodeSize() public {
        vm.snapshotValue("ClearingHouse", "code size in bytes", address(house).code.length);
    }

    function test_Open() public {
        openChannel();
        snapshot("open");
    }

    function test_OpenFromBalance() public {
        vm.prank(payer);
        house.openFromBalance(config, DEPOSIT - 1);
        snapshot("openFromBalance");
    }

    function test_OpenWithAuthorization() public {
        bytes memory signature = openAuthorization(DEPOSIT);
        house.openWithAuthorization(config, DEPOSIT, 0, FOREVER, signature);
        snapshot("openWithAuthorization");
    }

    function test_TopUp() public {
        openChannel();
        vm.prank(payer);
        house.topUp(config, DEPOSIT);
        snapshot("topUp");
        vm.prank(payer);
        house.topUpFromBalance(config, DEPOSIT - 1);
        snapshot("topUpFromBalance");
        bytes memory signature = topUpAuthorization(DEPOSIT, "salt");
        house.topUpWithAuthorization(config, DEPOSIT, "salt", 0, FOREVER, signature);
        snapshot("topUpWithAuthorization");
    }

    function test_Deposit() public {
        vm.prank(payer);
        house.deposit(1);
        snapshot("deposit");
    }

    function test_Settle() public {
        openChannel();
        house.settle(config, 100, voucher(100));
        snapshot("settle, first of a payee");
        house.settle(config, 200, voucher(200));
        snapshot("settle, next");
    }

    function settleMany(uint256 size, string memory name) private {
        putIntoLedger(payee, 1);
        putIntoLedger(payer, size * DEPOSIT);
        IClearingHouse.Settlement[] memory rows = new IClearingHouse.Settlement[](size);
        for (uint256 i; i < size; ++i) {
            config.salt = keccak256(abi.encode(i));
            vm.prank(payer);
            id = house.openFromBalance(config, DEPOSIT);
            house.settle(config, 1e6, voucher(1e6));
            rows[i] = IClearingHouse.Settlement(config, 2e6, voucher(2e6));
        }
        assertEq(house.settleMany(rows), size * 1e6, "total");
        snapshot(name);
    }

    function test_SettleMany() public {
        settleMany(1, "settleMany, 1 row");
    }

    function test_SettleMany_Ten() public {
        settleMany(10, "settleMany, 10 rows");
    }

    function test_SettleMany_Hundred() public {
        settleMany(100, "settleMany, 100 rows");
    }

    function test_Close() public {
        openChannel();
        house.settle(config, 100, voucher(100));
        bytes memory signature = voucher(200);
        vm.prank(payee);
        house.close(config, 200, signature);
        snapshot("close");
    }

    function test_Exit() public {
        openChannel();
        vm.prank(payer);
        house.requestClose(config);
        snapshot("requestClose");
        vm.warp(START + DELAY);
        house.finalizeClose(config);
        snapshot("finalizeClose");
    }

    function test_ExitWithSignature() public {
        openChannel();
        bytes memory signature = signRequestClose(PAYER_KEY, address(house), id, 0, FOREVER);
        house.requestCloseWithSignature(config, FOREVER, signature);
        snapshot("requestCloseWithSignature");
    }

    function setOff(uint256 size, string memory name) private {
        IClearingHouse.Debt[] memory ring = new IClearingHouse.Debt[](size);
        for (uint256 i; i < size; ++i) {
            config.payer = vm.addr(1 + i);
            config.payee = vm.addr(1 + (i + 1) % size);
            config.flags = 1;
            config.salt = keccak256(abi.encode(i));
            putIntoLedger(config.payer, DEPOSIT);
            vm.prank(config.payer);
            id = house.openFromBalance(config, DEPOSIT);
            house.settle(config, 1e6, voucher(1e6));
            uint256 key = 1 + (i + 1) % size;
            bytes memory acknowledgement = signAcknowledgement(key, address(house), id, 3e6, START);
            ring[i] = IClearingHouse.Debt(
                config, 3e6, START, compact(voucher(3e6)), compact(acknowledgement)
            );
        }
        house.setOff(ring, 2e6);
        snapshot(name);
    }

    function test_SetOff_Two() public {
        setOff(2, "setOff, ring of 2");
    }

    function test_SetOff_Three() public {
        setOff(3, "setOff, ring of 3");
    }

    function test_SetOff_Ten() public {
        setOff(10, "setOff, ring of 10");
    }

    function test_FromBalanceWithSignature() public {
        putIntoLedger(stranger, 1);
        putIntoLedger(payer, 1e6);
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(stranger, 1, FOREVER);
        bytes memory signature = signOpenFromBalance(PAYER_KEY, address(house), id, DEPOSIT, relay);
        house.openFromBalanceWithSignature(config, DEPOSIT, relay, signature);
        snapshot("openFromBalanceWithSignature");
        signature = signTopUpFromBalance(PAYER_KEY, address(house), id, 1, relay, 0);
        house.topUpFromBalanceWithSignature(config, 1, relay, signature);
        snapshot("topUpFromBalanceWithSignature, first");
    }

    function test_DepositWithAuthorization() public {
        putIntoLedger(stranger, 1);
        IClearingHouse.Relay memory relay = IClearingHouse.Relay(stranger, 1, FOREVER);
        bytes32 nonce = house.depositNonce("", stranger, 1);
        bytes memory signature =
            signReceive(PAYER_KEY, address(token), address(house), 9, 0, FOREVER, nonce);
        house.depositWithAuthorization(payer, 9, "", relay, signature);
        snapshot("depositWithAuthorization");
    }

    function test_Withdraw() public {
        vm.prank(payer);
        house.withdraw(payer, 1);
        snapshot("withdraw");
        vm.prank(payer);
        house.withdraw(stranger, 1);
        snapshot("withdraw, to an empty wallet");
        bytes memory first =
            signWithdraw(PAYER_KEY, address(house), payer, payer, 1, freely(FOREVER), 0);
        house.withdrawWithSignature(payer, payer, 1, freely(FOREVER), first);
        snapshot("withdrawWithSignature, first");
        bytes memory next =
            signWithdraw(PAYER_KEY, address(house), payer, payer, 1, freely(FOREVER), 1);
        house.withdrawWithSignature(payer, payer, 1, freely(FOREVER), next);
        snapshot("withdrawWithSignature, next");
    }
}
