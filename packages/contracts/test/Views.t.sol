// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IClearingHouse} from "../src/interfaces/IClearingHouse.sol";
import {Fixture} from "./Fixture.sol";

contract ViewsTest is Fixture {
    function test_Token() public view {
        assertEq(address(house.token()), address(token), "token");
    }

    function test_DomainSeparator() public view {
        bytes32 expected = domainOf("Freehold ClearingHouse", address(house));
        assertEq(house.DOMAIN_SEPARATOR(), expected, "domain");
    }

    function test_Eip712Domain() public view {
        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            IERC5267(address(house)).eip712Domain();
        assertEq(keccak256(bytes(name)), keccak256("Freehold ClearingHouse"), "name");
        assertEq(keccak256(bytes(version)), keccak256("1"), "version");
        assertEq(chainId, block.chainid, "chain id");
        assertEq(verifying, address(house), "contract");
    }

    function testFuzz_ChannelIdOf(IClearingHouse.ChannelConfig memory any) public view {
        assertEq(house.channelIdOf(any), expectedIdOf(address(house), any), "id");
    }

    function test_ChannelIdOf_OutlivesAForkWithANewChainId() public {
        bytes32 domain = house.DOMAIN_SEPARATOR();
        vm.chainId(block.chainid + 1);
        assertEq(house.channelIdOf(config), id, "id");
        assertTrue(house.DOMAIN_SEPARATOR() != domain, "signatures hold on both sides");
    }

    function test_ChannelIdOf_DiffersOnAnotherChainOrContract() public {
        assertTrue(deployHouse(address(token)).channelIdOf(config) != id, "contract");
        vm.chainId(block.chainid + 1);
        IClearingHouse other = deployHouse(address(token));
        assertEq(other.channelIdOf(config), expectedIdOf(address(other), config), "chain");
    }

    function testFuzz_VoucherDigest(bytes32 channelId, uint128 cumulative) public view {
        bytes32 typehash = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
        bytes32 structHash = keccak256(abi.encode(typehash, channelId, cumulative));
        assertEq(
            house.voucherDigest(channelId, cumulative),
            houseDigest(address(house), structHash),
            "digest"
        );
    }

    function testFuzz_AcknowledgementDigest(bytes32 channelId, uint128 total, uint256 deadline)
        public
        view
    {
        bytes32 typehash = keccak256(
            "Acknowledgement(bytes32 channelId,uint128 cumulativeAmount,uint256 deadline)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, channelId, total, deadline));
        assertEq(
            house.acknowledgementDigest(channelId, total, deadline),
            houseDigest(address(house), structHash),
            "digest"
        );
    }

    function testFuzz_DepositNonce(bytes32 salt, address relayer, uint256 fee) public view {
        bytes32 tag = keccak256("Freehold ClearingHouse deposit");
        assertEq(
            house.depositNonce(salt, relayer, fee),
            keccak256(abi.encode(tag, salt, relayer, fee)),
            "deposit"
        );
    }

    function testFuzz_Nonces(bytes32 channelId, uint128 amount, bytes32 salt) public view {
        assertEq(
            house.openNonce(channelId),
            keccak256(abi.encode(keccak256("Freehold ClearingHouse open"), channelId)),
            "open"
        );
        assertEq(
            house.topUpNonce(channelId, amount, salt),
            keccak256(
                abi.encode(
                    keccak256("Freehold ClearingHouse top-up"), channelId, uint256(amount), salt
                )
            ),
            "top-up"
        );
    }

    function test_Channel_WhenUnknown() public view {
        assertChannel(0, 0, IClearingHouse.Status.None, 0);
    }

    function test_Channels() public {
        openChannel();
        house.settle(config, 100, voucher(100));
        vm.prank(payer);
        house.requestClose(config);
        bytes32[] memory ids = new bytes32[](3);
        ids[0] = "unknown";
        ids[1] = ids[2] = id;
        IClearingHouse.Channel[] memory states = house.channels(ids);
        assertEq(states.length, 3, "length");
        assertEq(uint256(states[0].status), uint256(IClearingHouse.Status.None), "unknown");
        for (uint256 i = 1; i < 3; ++i) {
            assertEq(states[i].deposit, DEPOSIT, "deposit");
            assertEq(states[i].settled, 100, "settled");
            assertEq(uint256(states[i].status), uint256(IClearingHouse.Status.Open), "status");
            assertEq(states[i].exitRequestedAt, START, "exitRequestedAt");
        }
    }
}
