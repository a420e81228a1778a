// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The one call of EIP-3009 that the ClearingHouse makes, in the form that takes the
/// signature as bytes (USDC 2.2), so that contract wallets work where the token supports them.
interface IReceiveWithAuthorization {
    /// @param from Who pays, and whose signature this is.
    /// @param to Who receives; must be the caller, which is what keeps others from using it.
    /// @param value Amount in token units.
    /// @param validAfter Unix seconds; not valid before.
    /// @param validBefore Unix seconds; not valid from then on.
    /// @param nonce Single-use value, here derived from what the money is for.
    /// @param signature Over `ReceiveWithAuthorization` in the token's own EIP-712 domain.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
