package v1alpha1

import "k8s.io/apimachinery/pkg/util/validation/field"

// Reason returns the CamelCase word for what is wrong with a field, as
// conditions and metrics carry it.
func Reason(err *field.Error) string {
	switch err.Type {
	case field.ErrorTypeRequired:
		return "Missing"
	case field.ErrorTypeDuplicate:
		return "Duplicate"
	case field.ErrorTypeNotSupported:
		return "Unsupported"
	case field.ErrorTypeForbidden:
		return "Forbidden"
	case field.ErrorTypeTooLong, field.ErrorTypeTooMany:
		return "TooMany"
	}
	return "Invalid"
}
