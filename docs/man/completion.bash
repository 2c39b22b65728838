# Completions of ringdex and its programs for bash. Made by docs/man/make.py.
_ringdex() {
	local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]##*/} words='' actions=()

	if [[ $program == ringdex ]]; then
		if ((COMP_CWORD == 1)); then
			mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@ help --help --version' -- "$current")
			return
		fi
		program=ringdex-${COMP_WORDS[1]}
	fi
	# "=" is a word of its own
	if [[ $current == = ]]; then
		current=
	elif [[ $option == = ]]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case "$program $option" in
@VALUES@
	esac
	if ((!${#actions[@]})); then
		case $program in
@OPTIONS@
		esac
		if [[ $current == -* ]]; then
			actions=(-W "$words")
		else
			actions=(-f)
		fi
	fi
	mapfile -t COMPREPLY < <(compgen "${actions[@]}" -- "$current")
	if [[ ${COMPREPLY[0]-} == --*= ]]; then
		compopt -o nospace 2>/dev/null || true # fails where nobody completes
	fi
}
complete -o filenames -F _ringdex ringdex @PROGRAMS@
