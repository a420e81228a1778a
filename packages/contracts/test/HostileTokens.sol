// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token with an EIP-3009 door that asks for no signature; what is hostile comes on top.
abstract contract OpenToken is ERC20("Hostile", "HOST") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        bytes calldata
    ) external {
        _transfer(from, to, value);
    }
}

/// @notice Keeps one unit of every transfer.
contract FeeToken is OpenToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), 1);
    }
}

/// @notice Delivers one unit more than was asked for, which would let a ledger drift as well.
contract GenerousToken is OpenToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0)) super._update(address(0), to, 1);
    }
}

/// @notice Moves nothing and says so only in its return value.
contract FalseToken is OpenToken {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Claims success and moves nothing.
contract LyingToken is OpenToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) super._update(from, to, value);
    }
}

/// @notice Lets nothing move to or from a blocked account, as dollar tokens can.
contract BlockingToken is OpenToken {
    mapping(address => bool) public isBlocked;

    error Blocked();

    function setBlocked(address account) external {
        isBlocked[account] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!isBlocked[from] && !isBlocked[to], Blocked());
        super._update(from, to, value);
    }
}

/// @notice Calls back into whoever moves it, once per transfer, and remembers the answer.
contract ReentrantToken is OpenToken {
    address private _target;
    bytes private _call;
    bool public isSuccess;
    bytes public answer;

    function arm(address target, bytes calldata call) external {
        (_target, _call) = (target, call);
        (isSuccess, answer) = (true, "");
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        address target = _target;
        if (target == address(0)) return;
        _target = address(0);
        (isSuccess, answer) = target.call(_call);
    }
}

/// @notice Calls what a holder registered before its tokens move, as ERC-777 did.
contract HookedToken is OpenToken {
    struct Hook {
        address target;
        bytes data;
    }

    mapping(address holder => Hook) private _hooks;
    bool public isSuccess;

    function setHook(address holder, address target, bytes calldata data) external {
        _hooks[holder] = Hook(target, data);
    }

    function give(address to, uint256 amount) external {
        _transfer(address(this), to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        Hook memory hook = _hooks[from];
        if (hook.target != address(0)) (isSuccess,) = hook.target.call(hook.data);
        super._update(from, to, value);
    }
}

/// @notice Sets balances as it likes.
contract RebasingToken is OpenToken {
    function rebase(address account, uint256 balance) external {
        uint256 before = balanceOf(account);
        if (balance > before) _mint(account, balance - before);
        else _burn(account, before - balance);
    }
}

/// @notice Returns nothing from its transfers, as some old tokens do. Not hostile, only old.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
