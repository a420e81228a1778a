// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Vm} from "./Vm.sol";

abstract contract Assertions {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotEqual(bytes32 left, bytes32 right, string what);
    error NotTrue(string what);

    function assertTrue(bool value, string memory what) internal pure {
        require(value, NotTrue(what));
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        assertEq(bytes32(left), bytes32(right), what);
    }

    function assertEq(address left, address right, string memory what) internal pure {
        assertEq(uint160(left), uint160(right), what);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        require(left == right, NotEqual(left, right, what));
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        if (value >= least && value <= most) return value;
        uint256 size = most - least + 1;
        return size == 0 ? value : least + value % size;
    }
}

/// @notice Signing, written apart from the contract: the types are spelled out here again, so that
/// a typo on either side shows.
abstract contract Signing is Assertions {
    function deployHouse(address token) internal returns (IClearingHouse) {
        return IClearingHouse(vm.deployCode("ClearingHouse.sol:ClearingHouse", abi.encode(token)));
    }

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    function domainOf(string memory name, address verifyingContract)
        internal
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                verifyingContract
            )
        );
    }

    function digestOf(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function houseDigest(address house, bytes32 structHash) internal view returns (bytes32) {
        return digestOf(domainOf("Freehold ClearingHouse", house), structHash);
    }

    function expectedIdOf(address house, IClearingHouse.ChannelConfig memory config)
        internal
        view
        returns (bytes32)
    {
        bytes32 typehash = keccak256(
            "ChannelConfig(address payer,address signer,address payee,uint40 delay,uint8 flags,bytes32 salt)"
        );
        return houseDigest(house, keccak256(abi.encode(typehash, config)));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function signVoucher(uint256 key, address house, bytes32 channelId, uint128 cumulative)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typehash = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
        return sign(key, houseDigest(house, keccak256(abi.encode(typehash, channelId, cumulative))));
    }

    function signRequestClose(
        uint256 key,
        address house,
        bytes32 channelId,
        uint256 cancelledExits,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "RequestClose(bytes32 channelId,uint16 cancelledExits,uint256 deadline)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, channelId, cancelledExits, deadline));
        return sign(key, houseDigest(house, structHash));
    }

    function compact(bytes memory signature)
        internal
        pure
        returns (IClearingHouse.CompactSignature memory)
    {
        bytes32 r;
        uint256 s;
        assembly {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        uint256 parity = uint8(signature[64]) - 27;
        return IClearingHouse.CompactSignature(r, bytes32(s | (parity << 255)));
    }

    function signAcknowledgement(
        uint256 key,
        address house,
        bytes32 channelId,
        uint128 cumulative,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "Acknowledgement(bytes32 channelId,uint128 cumulativeAmount,uint256 deadline)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, channelId, cumulative, deadline));
        return sign(key, houseDigest(house, structHash));
    }

    function signOpenFromBalance(
        uint256 key,
        address house,
        bytes32 channelId,
        uint128 amount,
        IClearingHouse.Relay memory relay
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "OpenFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256 deadline)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typehash, channelId, amount, relay.relayer, relay.fee, relay.deadline)
        );
        return sign(key, houseDigest(house, structHash));
    }

    function signTopUpFromBalance(
        uint256 key,
        address house,
        bytes32 channelId,
        uint128 amount,
        IClearingHouse.Relay memory relay,
        uint256 nonce
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "TopUpFromBalance(bytes32 channelId,uint128 amount,address relayer,uint256 fee,uint256 nonce,uint256 deadline)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typehash, channelId, amount, relay.relayer, relay.fee, nonce, relay.deadline)
        );
        return sign(key, houseDigest(house, structHash));
    }

    /// What a relayer gets when it gets nothing.
    function freely(uint256 deadline) internal pure returns (IClearingHouse.Relay memory) {
        return IClearingHouse.Relay(address(0), 0, deadline);
    }

    function signWithdraw(
        uint256 key,
        address house,
        address account,
        address to,
        uint256 amount,
        IClearingHouse.Relay memory relay,
        uint256 nonce
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "Withdraw(address account,address to,uint256 amount,address relayer,uint256 fee,uint256 nonce,uint256 deadline)"
        );
        bytes32 structHash = keccak256(
            abi.encode(
                typehash, account, to, amount, relay.relayer, relay.fee, nonce, relay.deadline
            )
        );
        return sign(key, houseDigest(house, structHash));
    }

    function signReceive(
        uint256 key,
        address token,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typehash, vm.addr(key), to, value, validAfter, validBefore, nonce)
        );
        return sign(key, digestOf(domainOf("Dev Dollar", token), structHash));
    }
}

abstract contract Fixture is Signing {
    uint256 internal constant PAYER_KEY = 0xa11ce;
    uint256 internal constant SIGNER_KEY = 0x51619e8;
    uint256 internal constant PAYEE_KEY = 0xb0b;
    uint256 internal constant STRANGER_KEY = 0x57a6e8;
    uint256 internal constant START = 1_800_000_000;
    uint40 internal constant DELAY = 48 hours;
    uint128 internal constant DEPOSIT = 1000e6;
    uint256 internal constant FOREVER = type(uint256).max;

    address internal payer = vm.addr(PAYER_KEY);
    address internal payee = vm.addr(PAYEE_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);

    DevToken internal token;
    IClearingHouse internal house;
    IClearingHouse.ChannelConfig internal config;
    bytes32 internal id;

    function setUp() public virtual {
        vm.warp(START);
        token = new DevToken();
        house = deployHouse(address(token));
        config = IClearingHouse.ChannelConfig({
            payer: payer,
            signer: vm.addr(SIGNER_KEY),
            payee: payee,
            delay: DELAY,
            flags: 0,
            salt: bytes32("salt")
        });
        id = house.channelIdOf(config);
        token.mint(payer, type(uint128).max);
        vm.prank(payer);
        token.approve(address(house), type(uint256).max);
    }

    function openChannel() internal {
        vm.prank(payer);
        house.open(config, DEPOSIT);
    }

    function putIntoLedger(address account, uint256 amount) internal {
        token.mint(account, amount);
        vm.prank(account);
        token.approve(address(house), type(uint256).max);
        vm.prank(account);
        house.deposit(amount);
    }

    function voucher(uint128 cumulative) internal view returns (bytes memory) {
        return signVoucher(SIGNER_KEY, address(house), id, cumulative);
    }

    function openAuthorization(uint128 amount) internal view returns (bytes memory) {
        return signReceive(
            PAYER_KEY, address(token), address(house), amount, 0, FOREVER, house.openNonce(id)
        );
    }

    function topUpAuthorization(uint128 amount, bytes32 salt) internal view returns (bytes memory) {
        bytes32 nonce = house.topUpNonce(id, amount, salt);
        return signReceive(PAYER_KEY, address(token), address(house), amount, 0, FOREVER, nonce);
    }

    function assertChannel(
        uint256 deposit,
        uint256 settled,
        IClearingHouse.Status status,
        uint256 exitRequestedAt
    ) internal view {
        IClearingHouse.Channel memory state = house.channel(id);
        assertEq(state.deposit, deposit, "deposit");
        assertEq(state.settled, settled, "settled");
        assertEq(uint256(state.status), uint256(status), "status");
        assertEq(state.exitRequestedAt, exitRequestedAt, "exitRequestedAt");
    }
}
