// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {Fixture} from "./Fixture.sol";

contract DevTokenTest is Fixture {
    bytes32 private constant NONCE = "nonce";

    function signTransfer(uint256 key) private view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash =
            keccak256(abi.encode(typehash, payer, payee, 5, START - 1, START + 1, NONCE));
        return sign(key, digestOf(token.DOMAIN_SEPARATOR(), structHash));
    }

    function signCancel(uint256 key) private view returns (bytes memory) {
        bytes32 typehash = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
        bytes32 structHash = keccak256(abi.encode(typehash, payer, NONCE));
        return sign(key, digestOf(token.DOMAIN_SEPARATOR(), structHash));
    }

    function transfer(bytes memory signature) private {
        token.transferWithAuthorization(payer, payee, 5, START - 1, START + 1, NONCE, signature);
    }

    function test_Metadata() public view {
        assertEq(keccak256(bytes(token.name())), keccak256("Dev Dollar"), "name");
        assertEq(keccak256(bytes(token.symbol())), keccak256("DEVUSD"), "symbol");
        assertEq(token.decimals(), 6, "decimals");
        assertEq(token.DOMAIN_SEPARATOR(), domainOf("Dev Dollar", address(token)), "domain");
    }

    function test_TransferWithAuthorization() public {
        bytes memory signature = signTransfer(PAYER_KEY);
        vm.expectEmit(true, true, true, true, address(token));
        emit DevToken.AuthorizationUsed(payer, NONCE);
        vm.prank(stranger);
        transfer(signature);
        assertEq(token.balanceOf(payee), 5, "payee");
        assertTrue(token.authorizationState(payer, NONCE), "spent");
        vm.expectRevert(DevToken.AuthorizationSpent.selector);
        transfer(signature);
    }

    function test_TransferWithAuthorization_RevertWhen_OutsideItsTime() public {
        bytes memory signature = signTransfer(PAYER_KEY);
        vm.warp(START - 1);
        vm.expectRevert(DevToken.AuthorizationNotYetValid.selector);
        transfer(signature);
        vm.warp(START + 1);
        vm.expectRevert(DevToken.AuthorizationExpired.selector);
        transfer(signature);
    }

    function test_TransferWithAuthorization_RevertWhen_NotTheOwners() public {
        bytes memory signature = signTransfer(STRANGER_KEY);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        transfer(signature);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        transfer("");
    }

    function test_ReceiveWithAuthorization() public {
        bytes memory signature = signReceive(PAYER_KEY, address(token), payee, 5, 0, FOREVER, NONCE);
        vm.expectRevert(DevToken.CallerNotRecipient.selector);
        token.receiveWithAuthorization(payer, payee, 5, 0, FOREVER, NONCE, signature);
        vm.prank(payee);
        token.receiveWithAuthorization(payer, payee, 5, 0, FOREVER, NONCE, signature);
        assertEq(token.balanceOf(payee), 5, "payee");
    }

    function test_CancelAuthorization() public {
        bytes memory forged = signCancel(STRANGER_KEY);
        bytes memory cancel = signCancel(PAYER_KEY);
        bytes memory signature = signTransfer(PAYER_KEY);
        vm.expectRevert(DevToken.InvalidSignature.selector);
        token.cancelAuthorization(payer, NONCE, forged);
        vm.expectEmit(true, true, true, true, address(token));
        emit DevToken.AuthorizationCanceled(payer, NONCE);
        token.cancelAuthorization(payer, NONCE, cancel);
        vm.expectRevert(DevToken.AuthorizationSpent.selector);
        transfer(signature);
        vm.expectRevert(DevToken.AuthorizationSpent.selector);
        token.cancelAuthorization(payer, NONCE, cancel);
    }
}
