// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";

/// @title DevToken: A TOY. FOR DEVELOPMENT CHAINS ONLY. ANYONE CAN MINT ANY AMOUNT.
/// @notice Behaves like a dollar token with EIP-3009 (signature as bytes, as in USDC 2.2) and
/// EIP-2612, so that everything that works with it works with a real one. It is worth nothing, and nothing of worth
/// may ever depend on it.
contract DevToken is ERC20Permit, IReceiveWithAuthorization {
    /// @notice Emitted when an authorisation moves money.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

    /// @notice Emitted when an authorisation is called off by its author.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice Thrown when an authorisation was used or called off.
    error AuthorizationSpent();

    /// @notice Thrown when it is not later than `validAfter`.
    error AuthorizationNotYetValid();

    /// @notice Thrown when it is not earlier than `validBefore`.
    error AuthorizationExpired();

    /// @notice Thrown when somebody other than the recipient calls `receiveWithAuthorization`.
    error CallerNotRecipient();

    /// @notice Thrown when a signature is malformed or not by the authoriser.
    error InvalidSignature();

    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant CANCEL_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    /// @notice Whether an authorisation was used or called off.
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    constructor() ERC20("Dev Dollar", "DEVUSD") ERC20Permit("Dev Dollar") {}

    /// @notice ANYONE may call this for any amount. That is why it is no money.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @inheritdoc IReceiveWithAuthorization
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        require(msg.sender == to, CallerNotRecipient());
        _authorized(RECEIVE_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
    }

    /// @notice As `receiveWithAuthorization`, but anyone may submit it, with whatever that allows a
    /// front-runner.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _authorized(TRANSFER_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
    }

    /// @notice Calls off an authorisation that was not used yet.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature)
        external
    {
        _spend(
            authorizer, nonce, keccak256(abi.encode(CANCEL_TYPEHASH, authorizer, nonce)), signature
        );
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /// @notice Six, as dollar tokens have.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _authorized(
        bytes32 typehash,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private {
        require(block.timestamp > validAfter, AuthorizationNotYetValid());
        require(block.timestamp < validBefore, AuthorizationExpired());
        _spend(
            from,
            nonce,
            keccak256(abi.encode(typehash, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        emit AuthorizationUsed(from, nonce);
        _transfer(from, to, value);
    }

    function _spend(address authorizer, bytes32 nonce, bytes32 structHash, bytes calldata signature)
        private
    {
        require(!authorizationState[authorizer][nonce], AuthorizationSpent());
        (address recovered, ECDSA.RecoverError problem,) =
            ECDSA.tryRecoverCalldata(_hashTypedDataV4(structHash), signature);
        require(
            problem == ECDSA.RecoverError.NoError && recovered == authorizer, InvalidSignature()
        );
        authorizationState[authorizer][nonce] = true;
    }
}
