// SPDX-License-Identifier: Apache-2.0
// Generated from vectors/voucher.json by scripts/vectors.ts; do not edit.
pragma solidity 0.8.37;

library VoucherVectors {
    uint256 internal constant CHAIN_ID = 31337;
    address internal constant HOUSE = 0x2e234DAe75C793f67A35089C9d99245E1C58470b;
    address internal constant PAYER = 0x9858EfFD232B4033E47d90003D41EC34EcaEda94;
    address internal constant SIGNER = 0x0A61ff0887Ad253EAbeC81Ee034b2f940ae0af11;
    address internal constant PAYEE = 0x6Fac4D18c912343BF86fa7049364Dd4E424Ab9C0;
    uint40 internal constant DELAY = 172800;
    uint8 internal constant FLAGS = 1;
    bytes32 internal constant SALT = 0x41104997005df7e2aa589e6617986c8e7e719b964b25847dab2695f923ed7bdc;
    bytes32 internal constant CHANNEL_ID = 0x008753b59b59df6dba04dee3360c455643d00e83af4f55a04c37cc17e56a9acf;
    bytes32 internal constant OPEN_NONCE = 0x3ab9b26506578fb23073f9da57b98b861709c21c34fcb642701bef9c339e5327;

    uint128 internal constant AMOUNT_0 = 1;
    bytes32 internal constant DIGEST_0 = 0x92728b1d9416aefb8b08012cb62825cf4776351870a96fbaaee69eee9224e9a4;
    bytes internal constant SIGNATURE_0 =
        hex"2962a6a23d92b4fa05ee4f8bfcf4c7e266d62d973cdbd37ed1c1e69c3549e29819a560799ed06c45d5fdf8b4cac3ca44bf9c0ddc42564b2710a3e13285594f471c";

    uint128 internal constant AMOUNT_1 = 123456789;
    bytes32 internal constant DIGEST_1 = 0xff86855975b9ac6df1bdcd5068bf28b421ce3f37fb687330fc7d6eba742779ec;
    bytes internal constant SIGNATURE_1 =
        hex"e5044f65eebea5996f22e1eceac61b0477dfd4c2c17f982a1615b3ef51b784d54540005355413191873589426be4301a1f39f61de0e2441dc08852afc7a10f3c1b";

    uint128 internal constant AMOUNT_2 = 340282366920938463463374607431768211455;
    bytes32 internal constant DIGEST_2 = 0xe9e6935f1a19a1f19c4e1663d72d032ec9d2a88eee7952b8707826199c36034b;
    bytes internal constant SIGNATURE_2 =
        hex"7f7351814719cbe2d9f7ca02038343ebea9d0a73f2549be24fb67bf496a12db840a68d416b55c0c190fbad44626124ea73158e2d85673dd33bfffef4db38f9ec1c";
}
