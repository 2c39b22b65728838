#compdef ringdex @PROGRAMS@
# Completions of ringdex and its programs for zsh. Made by docs/man/make.py.
_ringdex_program() {
	case $1 in
@CASES@
	(*)
		_files
		;;
	esac
}

_ringdex() {
	local -a commands

	if [[ $service != ringdex ]]; then
		_ringdex_program $service
		return
	fi
	if (( CURRENT > 2 )); then
		local program=ringdex-$words[2]
		shift words
		(( CURRENT-- ))
		_ringdex_program $program
		return
	fi
	commands=(
@COMMANDS@
	)
	_describe command commands
}

_ringdex "$@"
