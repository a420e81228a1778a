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
    bytes32 internal constant NONCE_SALT = 0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a;
    bytes32 internal constant TOP_UP_NONCE = 0x31221d4cd33b8fa8fa8d2526c302cf50285c814f3de9d36db9ccaa9f50c6d376;
    bytes32 internal constant DEPOSIT_NONCE = 0xc54366ca60a6b556fecd6ea4d7d46a46cee2415a3e70769e605a10a13696d5b3;
    uint256 internal constant DEADLINE = 2000000000;

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

    bytes32 internal constant ACKNOWLEDGEMENT_DIGEST = 0xf921286b095e9121df5fa324323460af1c5875e3162bedeeae91d9f96f47430e;
    bytes internal constant ACKNOWLEDGEMENT_SIGNATURE =
        hex"4ecb7a0cebfdee71ed12f59d81aba0380604492838dfc5b474e110f1c906ec080502642901110a1d99a453c6d0e60eed68b9a5d8ada6d132b609f7c02e8f60811c";
    bytes internal constant ACKNOWLEDGEMENT_COMPACT =
        hex"4ecb7a0cebfdee71ed12f59d81aba0380604492838dfc5b474e110f1c906ec088502642901110a1d99a453c6d0e60eed68b9a5d8ada6d132b609f7c02e8f6081";

    bytes32 internal constant REQUEST_CLOSE_DIGEST = 0x88fe8fe439e34783508987627106c4e09b8734c1be2035b33eabd57e5dde8654;
    bytes internal constant REQUEST_CLOSE_SIGNATURE =
        hex"3506d8e4230400b50f21e5e3e6a571d3c6e07410cba218c29e161fb29134e3d2158a06763a6c526b289a527800d6b186db0e5aed2b718e7c3c2589f90cafe0ba1c";
    bytes internal constant REQUEST_CLOSE_COMPACT =
        hex"3506d8e4230400b50f21e5e3e6a571d3c6e07410cba218c29e161fb29134e3d2958a06763a6c526b289a527800d6b186db0e5aed2b718e7c3c2589f90cafe0ba";

    bytes32 internal constant OPEN_FROM_BALANCE_DIGEST = 0x7e812fd5211b0a9785e33bced906f376a5ca1a9338c7676ebcd0a78268165290;
    bytes internal constant OPEN_FROM_BALANCE_SIGNATURE =
        hex"9a1b381aae3ab5181a769575339d4534fe1683a508fef7b66b274dec2da9ecec0d5a481e6b6b98d305aaa5f42512285a74ffdf8bc73b72ea746d10029040964e1c";
    bytes internal constant OPEN_FROM_BALANCE_COMPACT =
        hex"9a1b381aae3ab5181a769575339d4534fe1683a508fef7b66b274dec2da9ecec8d5a481e6b6b98d305aaa5f42512285a74ffdf8bc73b72ea746d10029040964e";

    bytes32 internal constant TOP_UP_FROM_BALANCE_DIGEST = 0x05536049edef0568254189975f716ac46c1947e4aac28a43e51e8e2601482e44;
    bytes internal constant TOP_UP_FROM_BALANCE_SIGNATURE =
        hex"c068230d11dd7ff83cf4b40f91240e22612dbf6b6b5dbd4aa88f0dc2df078ed442d9dd5afb9b6cdf397066a928ab4489f7bd8d6091e624bb08761d5993473ddd1c";
    bytes internal constant TOP_UP_FROM_BALANCE_COMPACT =
        hex"c068230d11dd7ff83cf4b40f91240e22612dbf6b6b5dbd4aa88f0dc2df078ed4c2d9dd5afb9b6cdf397066a928ab4489f7bd8d6091e624bb08761d5993473ddd";

    bytes32 internal constant WITHDRAW_DIGEST = 0x323b63d72a300673ad4dfe8a5f0800a222fcf0b1e040b7d1fba60b0102587b3b;
    bytes internal constant WITHDRAW_SIGNATURE =
        hex"8958df685adac288216d13317b790bee30f1e5a91cc4ed8ad21433599bc6ae376fbf528cf1447300c8b3c8e9e52d51c4c0205cf7c1894b31360c51423030b84c1b";
    bytes internal constant WITHDRAW_COMPACT =
        hex"8958df685adac288216d13317b790bee30f1e5a91cc4ed8ad21433599bc6ae376fbf528cf1447300c8b3c8e9e52d51c4c0205cf7c1894b31360c51423030b84c";
}
